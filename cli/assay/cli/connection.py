"""Where Assay is and who asks: from options, the environment, or the folder of a running stack."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from assay.cli.errors import CommandError

DEFAULT_PORT = "8080"


@dataclass(frozen=True, slots=True)
class Connection:
    """The gateway's address, without a slash at the end, and a bearer token."""

    url: str
    token: str


def home() -> Path:
    """The stack's folder: ASSAY_HOME, else `.assay` here or in a folder above, else beside this `.venv`."""
    named = os.environ.get("ASSAY_HOME")
    if named:
        return Path(named).absolute()
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / ".assay" / "token").is_file():
            return folder / ".assay"
    return Path(sys.prefix).parent / ".assay"


def connect() -> Connection:
    """Raises CommandError where no token is found."""
    return Connection(url=_url(), token=_token())


def _url() -> str:
    named = os.environ.get("ASSAY_PUBLIC_URL")
    if named:
        return named.rstrip("/")
    address = home() / "address"
    if "ASSAY_PORT" not in os.environ and address.is_file():
        return address.read_text(encoding="utf-8").strip().rstrip("/")
    return f"http://localhost:{os.environ.get('ASSAY_PORT', DEFAULT_PORT)}"


def _token() -> str:
    named = os.environ.get("ASSAY_TOKEN")
    if named:
        return named.strip()
    path = home() / "token"
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise CommandError(
            f"no token: {path} cannot be read. Start Assay with `make up`, or set ASSAY_PUBLIC_URL and ASSAY_TOKEN"
        ) from error
