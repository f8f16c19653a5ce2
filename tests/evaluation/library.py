"""The pictures of the sets, as many as are wanted, and what is missing of them."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from evaluation.sets import DataMissingError, Labelled, LabelledSet


@dataclass(slots=True)
class Library:
    """data: the root of the evaluation data.  per_class: at most so many pictures of each class of a set."""

    data: Path
    per_class: int | None = None
    missing: list[str] = field(default_factory=list)
    _pictures: dict[str, list[Labelled]] = field(default_factory=dict)

    def pictures(self, wanted: LabelledSet) -> list[Labelled]:
        """The pictures of a set, read once; none where it is missing, which is noted. Raises ReservedError."""
        if wanted.name not in self._pictures:
            try:
                self._pictures[wanted.name] = limited(wanted.pictures(self.data), self.per_class)
            except DataMissingError as missing:
                self.missing.append(str(missing))
                self._pictures[wanted.name] = []
        return self._pictures[wanted.name]


def limited(pictures: Sequence[Labelled], per_class: int | None) -> list[Labelled]:
    """At most so many of each class, as if drawn: the same in every run."""
    if per_class is None:
        return list(pictures)
    by_chance = sorted(pictures, key=lambda each: chance_of(each.path.name))
    return [each for truth in (False, True) for each in [each for each in by_chance if each.truth is truth][:per_class]]


def chance_of(text: str) -> int:
    """A number as good as drawn, the same for the same text."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
