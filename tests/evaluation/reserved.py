"""Pictures that are set aside for measuring later: nothing here may look at them."""

import hashlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

LIST = "RESERVED.sha256"


class ReservedError(Exception):
    """A file that is set aside lies in an evaluation set; the text names it."""


def refuse_reserved(data: Path, paths: Iterable[Path]) -> None:
    """Raise ReservedError where one of the files is on the list of the data root. Without a list, none is."""
    reserved = reserved_hashes(data)
    if not reserved:
        return
    hit = [path for path in paths if sha256_of(path) in reserved]
    if hit:
        named = ", ".join(str(path.relative_to(data) if path.is_relative_to(data) else path) for path in hit[:5])
        raise ReservedError(
            f"{len(hit)} files stand in {data / LIST} and may not be trained, tuned or evaluated on: {named}. "
            "Remove them from the set."
        )


@cache
def reserved_hashes(data: Path) -> frozenset[str]:
    """The hashes on the list: a line each, hexadecimal, the rest of the line ignored."""
    path = data / LIST
    if not path.is_file():
        return frozenset()
    return frozenset(line.split()[0].lower() for line in path.read_text(encoding="utf-8").splitlines() if line.strip())


@cache
def sha256_of(path: Path) -> str:
    """The hash of a file's bytes, remembered while the process lives."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
