"""Runs in the child before the real program: ties its life to the supervisor's, drops root where asked, executes.

Started as `python -I -S launch.py PARENT_PID DEATH_SIGNAL UID GID CAPABILITY PROGRAM ARGUMENT…` (-1: leave as it is).
Standard library only, and none of Assay's modules: it starts in 20 ms. A `preexec_fn` would do the same, but is
unsafe in a process with threads.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1
PR_SET_SECUREBITS = 28
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
SECBIT_NO_SETUID_FIXUP = 4
CAPABILITY_VERSION_3 = 0x20080522


def main(arguments: list[str]) -> None:
    """Become the program."""
    parent, death_signal, uid, gid, capability = (int(argument) for argument in arguments[:5])
    program = arguments[5:]
    if uid >= 0:
        become(uid, gid, capability)
    if sys.platform == "linux":
        # After the change of user, which clears it. A parent that died before this line sends no signal.
        _call("prctl", PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit("the supervisor has gone")
    os.execv(program[0], program)  # noqa: S606 - the command comes from the supervisor


def become(uid: int, gid: int, capability: int) -> None:
    """Turn root into an ordinary user who keeps at most one capability, also in the programs it executes."""
    if capability >= 0:
        # A change of user would take the capabilities away; and access(2), with which PostgreSQL looks for its own
        # programs, would not count them.
        _call("prctl", PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0)
    os.setgroups([])
    os.setregid(gid, gid)
    os.setreuid(uid, uid)
    if capability >= 0:
        header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
        bits = 1 << capability
        sets = (ctypes.c_uint32 * 6)(bits, bits, bits, 0, 0, 0)  # effective, permitted, inheritable; low and high words
        _call("capset", header, sets)
        _call("prctl", PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0)


def _call(name: str, *arguments: object) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    converted = [ctypes.c_ulong(item) if isinstance(item, int) else item for item in arguments]
    if getattr(libc, name)(*converted) != 0:
        number = ctypes.get_errno()
        sys.exit(f"{name} failed: {os.strerror(number)}")


if __name__ == "__main__":
    main(sys.argv[1:])
