"""Sparse fields: a client names what it needs of a file, and the rest is neither read nor sent."""

from dataclasses import dataclass
from typing import Any

from assay.results.schemas import FileView, RunView
from assay.shared.problems import InvalidRequestError

FILE_FIELDS = frozenset(FileView.model_fields)
RUN_FIELDS = frozenset(RunView.model_fields)


@dataclass(frozen=True, slots=True)
class Fields:
    """What is shown of each file. of_run: what of its newest run; empty: it is left out."""

    of_file: frozenset[str] = FILE_FIELDS
    of_run: frozenset[str] = RUN_FIELDS

    def shows(self, field: str) -> bool:
        """Of the file."""
        return field in self.of_file

    @property
    def shows_analyses(self) -> bool:
        return "analyses" in self.of_run

    def of(self, file: dict[str, Any]) -> dict[str, Any]:
        """These of a file's object."""
        if self is EVERYTHING:
            return file
        chosen = {name: value for name, value in file.items() if name in self.of_file}
        if chosen.get("run") is not None:
            chosen["run"] = {name: value for name, value in chosen["run"].items() if name in self.of_run}
        return chosen


EVERYTHING = Fields()


def fields_of(text: str | None) -> Fields:
    """`filename,status,run.report`: names with commas between. `file_id` is always there.

    Raises InvalidRequestError.
    """
    if text is None:
        return EVERYTHING
    of_file, of_run = {"file_id"}, set[str]()
    for name in filter(None, (each.strip() for each in text.split(","))):
        whole, _, part = name.partition(".")
        if name == "run":
            of_run |= RUN_FIELDS
        elif whole == "run" and part in RUN_FIELDS:
            of_run.add(part)
        elif name in FILE_FIELDS:
            of_file.add(name)
        else:
            known = sorted(FILE_FIELDS) + sorted(f"run.{each}" for each in RUN_FIELDS)
            raise InvalidRequestError(
                f"fields: there is no {name[:100]!r}. There are: {', '.join(known)}.", place="fields"
            )
    if of_run:
        of_file.add("run")
    return Fields(frozenset(of_file), frozenset(of_run))
