"""PostgreSQL refuses to run as root. As root, it runs as an ordinary user who can still reach a private folder."""

import os
import pwd
import sys
from dataclasses import dataclass
from pathlib import Path

from assay.embedded.errors import StackError

CAP_DAC_OVERRIDE = 1
CAP_DAC_READ_SEARCH = 2


@dataclass(frozen=True)
class User:
    """Whom a program runs as; -1 leaves a part as it is."""

    uid: int
    gid: int
    capability: int
    """A Linux capability that it keeps, and no other."""


def unprivileged_user() -> User | None:
    """Whom a program that refuses root runs as. None where this process is not root.

    The home is private and may lie under a folder that other users cannot enter, so on Linux the user
    keeps the one capability to search and read folders. That is no more than root, who started it, may do.
    """
    if os.geteuid() != 0:
        return None
    account = _account()
    return User(uid=account.pw_uid, gid=account.pw_gid, capability=_capability() if sys.platform == "linux" else -1)


def give(path: Path, user: User | None) -> None:
    """Make the user the owner of a folder."""
    if user is not None:
        os.chown(path, user.uid, user.gid)


def _account() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam("nobody")
    except KeyError:
        ordinary = [account for account in pwd.getpwall() if account.pw_uid != 0]
    if not ordinary:
        raise StackError(
            "PostgreSQL does not run as root and this system has no other user; add one, or do not be root"
        )
    return ordinary[0]


def _capability() -> int:
    effective = _effective_capabilities()
    for capability in (CAP_DAC_READ_SEARCH, CAP_DAC_OVERRIDE):
        if effective >> capability & 1:
            return capability
    return -1


def _effective_capabilities() -> int:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("CapEff:"):
            return int(line.split()[1], 16)
    return 0
