"""The settings of a start, read and checked before anything runs."""

from collections.abc import Iterable, Mapping

from pydantic import ValidationError

from assay.embedded.errors import StackError
from assay.embedded.services import Service
from assay.embedded.settings import StackSettings
from assay.shared.settings import DELIMITER, PREFIX, known_names, unknown_names


def read() -> StackSettings:
    """The stack's own settings. Raises StackError, one line, for a wrong value."""
    try:
        return StackSettings()
    except ValidationError as error:
        first = error.errors()[0]
        name = PREFIX + DELIMITER.join(str(part).upper() for part in first["loc"])
        raise StackError(f"{name}: {first['msg']}") from error


def refuse_unknown(environ: Mapping[str, str], services: Iterable[Service]) -> None:
    """Raises StackError, one line, where an `ASSAY_…` variable is set that neither the stack nor a service reads."""
    known = known_names(StackSettings).union(*(service.known for service in services))
    unknown = unknown_names(environ, known)
    if unknown:
        raise StackError("; ".join(unknown))
