"""Artifacts on a terminal: those that are there, and that more follow."""

from typing import Any

import pytest
from rich.console import Console

from assay.cli import drawing
from assay.cli.commands import submit
from assay.cli.commands.watch import _line
from assay.cli.following import apply, artifacts_follow

FILE, RUN = "01a1ff7c-16cc-74e8-9d42-cf8213f567ea", "01a1ff7c-16cc-74e8-9d42-cf8213f567ed"
HEATMAP = {"name": "heatmap.png", "media_type": "image/png", "size": 12345, "title": "Where it was edited."}
DETAILS = {"name": "details.json", "media_type": "application/json", "size": 70000, "title": None}
EXPLAINED = "assay.analysis.explained.v1"


def judged(*artifacts: dict[str, Any], follow: bool, analyzer: str = "a") -> dict[str, Any]:
    """A file with one verdict, as its stream told."""
    queued = [{"analyzer": analyzer, "status": "queued"}]
    file = {"file_id": FILE, "run": {"run_id": RUN, "status": "queued", "analyses": queued, "report": None}}
    verdict = {"label": "no_findings", "score": None, "artifacts": list(artifacts)}
    event = {"run_id": RUN, "analyzer": analyzer, "version": "1", "duration_ms": 5, "verdict": verdict}
    return apply(file, "assay.analysis.completed.v1", {**event, "artifacts_follow": follow})


def explained(*artifacts: dict[str, Any], run_id: str = RUN) -> dict[str, Any]:
    return {"file_id": FILE, "run_id": run_id, "analyzer": "a", "attempt": 1, "artifacts": list(artifacts)}


def names(file: dict[str, Any]) -> list[str]:
    return [each["name"] for each in file["run"]["analyses"][0]["verdict"]["artifacts"]]


def printed(file: dict[str, Any]) -> list[str]:
    console = Console(width=200, color_system=None)
    with console.capture() as capture:
        for line in drawing.artifacts(file):
            console.print(line)
    return capture.get().splitlines()


def test_artifacts_come_to_their_verdict_once() -> None:
    file = judged(DETAILS, follow=True)
    assert artifacts_follow(file)
    file = apply(file, EXPLAINED, explained(HEATMAP))
    assert (names(file), artifacts_follow(file)) == (["details.json", "heatmap.png"], False)
    assert apply(file, EXPLAINED, explained({**HEATMAP, "name": "other.png"})) == file


def test_a_verdict_that_names_all_takes_no_more() -> None:
    file = judged(HEATMAP, follow=False)
    assert apply(file, EXPLAINED, explained(DETAILS)) == file
    waiting = judged(follow=True)
    assert apply(waiting, EXPLAINED, explained(HEATMAP, run_id=FILE)) == waiting, "of another run"


def test_they_are_listed_and_what_follows_is_said() -> None:
    assert printed(judged(follow=False)) == []
    assert printed(judged(HEATMAP, DETAILS, follow=False)) == [
        "artifacts:",
        "  a/heatmap.png  12 KB  Where it was edited.",
        "  a/details.json  70 KB",
    ]
    assert printed(judged(follow=True)) == ["artifacts:", "  a: more follows"]


def test_watch_tells_their_names() -> None:
    assert _line(EXPLAINED, explained(HEATMAP)).endswith("analysis.explained  a  heatmap.png")
    event = {"file_id": FILE, "analyzer": "a", "verdict": {"label": "ham"}, "artifacts_follow": True}
    assert _line("assay.analysis.completed.v1", event).endswith("a  ham  artifacts follow")


@pytest.mark.parametrize("follow", [False, True])
def test_submit_says_where_to_look_for_them(monkeypatch: pytest.MonkeyPatch, follow: bool) -> None:
    accepted = {
        "file_id": FILE, "filename": "a.jpg", "media_type": "image/jpeg", "size": 1, "sha256": "ab" * 32,
        "plan": ["a"], "links": {"web": "http://localhost/files/x"},
    }  # fmt: skip
    monkeypatch.setattr(submit, "follow", lambda *_: iter([judged(follow=follow)]))
    console = Console(width=200, color_system=None)
    with console.capture() as capture:
        submit._follow(Answers(1), accepted, console, quiet=False)  # type: ignore[arg-type]
    assert (f"Artifacts follow: assay status {FILE}" in capture.get()) is follow


class Answers:
    """A client whose file has its artifacts at the third look, or never."""

    def __init__(self, looks: int) -> None:
        self.left = looks

    def get(self, _: str) -> dict[str, Any]:
        self.left -= 1
        return judged(follow=self.left > 0)


@pytest.mark.parametrize(("looks", "follow"), [(1, False), (3, False), (10**9, True)])
def test_json_waits_for_them_but_not_for_ever(monkeypatch: pytest.MonkeyPatch, looks: int, follow: bool) -> None:
    monkeypatch.setattr(submit, "follow", lambda *_: iter(()))
    monkeypatch.setattr(submit, "ASK_AGAIN_S", 0.01)
    monkeypatch.setattr(submit, "ARTIFACTS_S", 0.2)
    assert artifacts_follow(submit._last(Answers(looks), {"file_id": FILE})) is follow  # type: ignore[arg-type]
