"""Something in a file that does not agree with something else in it."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Oddity:
    """kind: which check (thumbnail, dates, software, size, camera, table …); within one kind only the strongest counts.

    text    what does not agree, and what harmless cause there may be
    weight  log-odds that the picture was changed; 0: worth saying, but says nothing of a change
    where   field or box
    """

    kind: str
    text: str
    weight: float = 0.0
    where: dict[str, Any] | None = None
