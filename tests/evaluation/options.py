"""What `make eval` can be told, as variables of the environment or behind `make eval`."""

import os
from dataclasses import dataclass
from pathlib import Path

ROBUST_PER_CLASS = 15


class WrongOptionError(ValueError):
    """A variable has no sense; the text says which."""


@dataclass(frozen=True, slots=True)
class Options:
    """
    only               ONLY: name of an analyzer, or `fusion`; empty: all
    data               ASSAY_DATA: the root of the evaluation data; None: not said
    home               ASSAY_HOME: where eval.json and eval/ are written
    robust             ROBUST=0 leaves out the worsened copies
    robust_per_class   ROBUST_PER_CLASS: pictures of each class of a set in worsened copies
    robust_real        ROBUST_REAL: real photos of each set in worsened copies; None: all
    per_class          PER_CLASS: a quick look, at so many pictures of each class of a set; without the analyzers' own
                       figures, and nothing is compared or recorded
    record             RECORD=1 records the figures instead of comparing them
    """

    only: str = ""
    data: Path | None = None
    home: Path = Path(".assay")
    robust: bool = True
    robust_per_class: int = ROBUST_PER_CLASS
    robust_real: int | None = None
    per_class: int | None = None
    record: bool = False

    @classmethod
    def from_environment(cls, arguments: list[str]) -> "Options":
        """arguments: of the command line: ONLY. Raises WrongOptionError."""
        data = os.environ.get("ASSAY_DATA")
        options = cls(
            only=arguments[0] if arguments else os.environ.get("ONLY", ""),
            data=Path(data) if data else None,
            home=Path(os.environ.get("ASSAY_HOME") or ".assay"),
            robust=_is_on("ROBUST", default=True),
            robust_per_class=_number("ROBUST_PER_CLASS") or ROBUST_PER_CLASS,
            robust_real=_number("ROBUST_REAL"),
            per_class=_number("PER_CLASS"),
            record=_is_on("RECORD", default=False),
        )
        if options.record and (options.per_class is not None or not options.is_robust_as_recorded):
            raise WrongOptionError("RECORD=1 records whole figures; leave out PER_CLASS and ROBUST…")
        return options

    @property
    def is_robust_as_recorded(self) -> bool:
        """True where the worsened copies are those of the recorded figures."""
        return self.robust and self.robust_per_class == ROBUST_PER_CLASS and self.robust_real is None


def _is_on(name: str, *, default: bool) -> bool:
    value = os.environ.get(name, "")
    if value not in ("", "0", "1"):
        raise WrongOptionError(f"{name}={value}: say 0 or 1")
    return default if value == "" else value == "1"


def _number(name: str) -> int | None:
    value = os.environ.get(name, "")
    if not value:
        return None
    if not value.isdecimal() or int(value) == 0:
        raise WrongOptionError(f"{name}={value}: say a number of pictures")
    return int(value)
