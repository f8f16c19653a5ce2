"""The analyzer in the page for authors works as it is printed there."""

import re
import tomllib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from assay.inference import plugins
from assay.inference.device import Device
from assay.inference.engine import Engine
from assay.inference.plugins import Plugin
from assay.inference.sandbox import Sandbox
from assay.inference.settings import EngineSettings
from assay.sdk import Media, NotApplicableError, PermanentAnalyzerError

PAGE = Path(__file__).parents[2] / "docs" / "analyzers.md"


def printed(language: str) -> str:
    (block,) = re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    return block


@pytest_asyncio.fixture
async def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Engine]:
    """The engine of the page's analyzer, with a sandbox of real processes."""
    package = tmp_path / "site" / "shouting"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(printed("python"))
    monkeypatch.syspath_prepend(str(package.parent))
    points = tomllib.loads(printed("toml"))["project"]["entry-points"][plugins.GROUP]
    plugin = Plugin("shouting", points["shouting"], {})
    sandbox = Sandbox(plugin, folder=tmp_path / "sandbox", processes=1, memory_mb=128)
    engine = Engine(plugin.make(), sandbox, Device("cpu"), EngineSettings())
    await engine.open()
    yield engine
    engine.close()


def text(folder: Path, content: bytes) -> Media:
    path = folder / "text"
    path.write_bytes(content)
    return Media(path, "text/plain", len(content), "0" * 64)


async def test_the_printed_analyzer_judges_a_text(engine: Engine, tmp_path: Path) -> None:
    async with engine.place(urgent=True) as place:
        async with place.child() as child:
            prepared = await place.prepare(child, text(tmp_path, b"HELLO dear WORLD"), 10)
        finding = await place.infer(prepared)
    (rendering,) = await engine.explain(prepared, finding)
    assert (finding.label, finding.evidence[0].text) == ("shouting", "71% of 14 letters are capitals.")
    assert rendering.data == b"HELLO\nWORLD"


async def test_it_says_what_it_cannot_read_and_what_it_does_not_apply_to(engine: Engine, tmp_path: Path) -> None:
    async with engine.place(urgent=True) as place, place.child() as child:
        with pytest.raises(PermanentAnalyzerError) as caught:
            await place.prepare(child, text(tmp_path, b"\xff\xfe"), 10)
        assert caught.value.code == "media_unreadable"
        with pytest.raises(NotApplicableError):
            await place.prepare(child, text(tmp_path, b"1 2 3"), 10)
