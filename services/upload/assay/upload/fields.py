"""The fields of an upload besides its files: `analyzers`, `force`, `metadata`, `priority`."""

import json
import math
from collections.abc import Collection
from typing import Any

from assay.shared.problems import InvalidRequestError
from assay.upload.domain import LANES, Options
from assay.upload.errors import InvalidMetadataError, UnknownAnalyzersError

MAX_NAMES_BYTES = 8 * 1024
MAX_WORD_BYTES = 64
MAX_DEPTH = 32
FIELDS = ("analyzers", "force", "metadata", "priority")
TRUTHS = {"true": True, "false": False}


def limit_of(name: str, max_metadata_bytes: int) -> int:
    """How many bytes a field may have."""
    return {"metadata": max_metadata_bytes, "priority": MAX_WORD_BYTES, "force": MAX_WORD_BYTES}.get(
        name, MAX_NAMES_BYTES
    )


def too_long(name: str, limit: int) -> InvalidRequestError | InvalidMetadataError:
    """The problem with a field of more bytes than its limit."""
    if name == "metadata":
        return InvalidMetadataError(
            f"The metadata has more than {limit} bytes. Keep it short, or keep it on your side."
        )
    return InvalidRequestError(f"The field `{name[:64]}` has more than {limit} bytes.", place=name[:64])


def parse_analyzers(raw: bytes, known: Collection[str]) -> tuple[str, ...]:
    """The names in `a, b`; all analyzers where it is empty. Raises UnknownAnalyzersError."""
    names = {name.strip() for name in raw.decode("utf-8", "replace").split(",")} - {""}
    unknown = sorted(names.difference(known))
    if unknown:
        shown = ", ".join(name[:64] for name in unknown[:8])
        raise UnknownAnalyzersError(
            f"There is no analyzer {shown}. There are: {', '.join(sorted(known))}.", analyzers=sorted(known)
        )
    return tuple(sorted(names))


def parse_priority(raw: bytes) -> str:
    """`interactive` or `bulk`. Raises InvalidRequestError."""
    text = raw.decode("utf-8", "replace").strip()
    if text not in LANES:
        raise InvalidRequestError(f"The field `priority` is one of {', '.join(LANES)}.", place="priority")
    return text


def parse_force(raw: bytes) -> bool:
    """`true` or `false`. Raises InvalidRequestError."""
    text = raw.decode("utf-8", "replace").strip()
    if text not in TRUTHS:
        raise InvalidRequestError("The field `force` is true or false.", place="force")
    return TRUTHS[text]


def parse_metadata(raw: bytes) -> dict[str, Any]:
    """A JSON object. Raises InvalidMetadataError for anything that is not one, or that PostgreSQL cannot keep."""
    try:
        value = json.loads(raw.decode("utf-8"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise InvalidMetadataError(
            'The field `metadata` is not valid JSON. Send an object, such as {"case": "A-17"}.'
        ) from error
    if not isinstance(value, dict):
        raise InvalidMetadataError("The field `metadata` is JSON, but not an object. Send {…}.")
    _check(value, depth=1)
    return value


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _check(value: Any, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise InvalidMetadataError(f"The metadata is nested more than {MAX_DEPTH} levels deep.")
    if isinstance(value, str) and ("\x00" in value or any("\ud800" <= char <= "\udfff" for char in value)):
        raise InvalidMetadataError("A text in the metadata has a NUL character or half of a surrogate pair.")
    if isinstance(value, float) and not math.isfinite(value):
        raise InvalidMetadataError("A number in the metadata is too large.")
    if isinstance(value, dict):
        for key, inner in value.items():
            _check(key, depth)
            _check(inner, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            _check(inner, depth + 1)


class Fields:
    """Collects fields in whatever order they come; each is checked when it is there."""

    def __init__(self) -> None:
        self._values: dict[str, Any] = {}

    def add(self, name: str, raw: bytes, known: Collection[str]) -> None:
        """known: the names of the analyzers that there are. Raises InvalidRequestError for a field that is not taken.

        `analyzers` sent again adds to the earlier ones, any other field replaces them.
        """
        if name == "analyzers":
            earlier = self._values.get("analyzers", ())
            self._values["analyzers"] = tuple(sorted({*earlier, *parse_analyzers(raw, known)}))
        elif name == "priority":
            self._values["priority"] = parse_priority(raw)
        elif name == "force":
            self._values["force"] = parse_force(raw)
        elif name == "metadata":
            self._values["metadata"] = parse_metadata(raw)
        else:
            raise InvalidRequestError(
                f"There is no field `{name[:64]}`. There are: file, {', '.join(FIELDS)}.", place=name[:64]
            )

    @property
    def options(self) -> Options:
        """What was said so far."""
        return Options(**self._values)
