"""A file's state from its stream, whatever the snapshot knew already."""

from typing import Any

from assay.cli.following import apply

RUN = "01a1ff7c-16cc-74e8-9d42-cf8213f567ed"
VERDICT = {"label": "no_findings", "score": None}


def completed(analyzer: str, run_id: str = RUN) -> tuple[str, dict[str, Any]]:
    event = {"run_id": run_id, "analyzer": analyzer, "version": "1.0.0", "duration_ms": 5, "verdict": VERDICT}
    return "assay.analysis.completed.v1", event


def states(file: dict[str, Any]) -> dict[str, str]:
    return {each["analyzer"]: each["status"] for each in file["run"]["analyses"]}


def snapshot(*analyzers: str) -> dict[str, Any]:
    analyses = [{"analyzer": name, "status": "queued"} for name in analyzers]
    return apply({}, "snapshot", {"run": {"run_id": RUN, "status": "queued", "analyses": analyses, "report": None}})


def test_each_event_changes_its_analysis() -> None:
    file = apply(snapshot("a", "b"), *completed("a"))
    assert states(file) == {"a": "completed", "b": "queued"}


def test_an_analysis_that_the_snapshot_did_not_know_is_shown_too() -> None:
    file = apply(snapshot("a"), *completed("b"))
    assert states(file) == {"a": "queued", "b": "completed"}


def test_a_snapshot_older_than_the_run_takes_the_run_that_is_requested() -> None:
    file = apply({}, "snapshot", {"run": None})
    file = apply(file, "assay.file.uploaded.v1", {"filename": "a.jpg"})
    file = apply(file, "assay.run.requested.v1", {"run_id": RUN, "plan": ["a", "b"]})
    file = apply(file, *completed("b"))
    assert states(file) == {"a": "queued", "b": "completed"}
    done = {"run_id": RUN, "status": "analyzed", "report": {"label": "no_findings"}}
    assert apply(file, "assay.run.completed.v1", done)["run"]["report"] == {"label": "no_findings"}


def test_the_first_end_counts_and_other_runs_change_nothing() -> None:
    file = apply(snapshot("a"), *completed("a"))
    late = {"run_id": RUN, "analyzer": "a", "code": "timed_out", "message": "…"}
    assert apply(file, "assay.analysis.failed.v1", late) == file
    assert apply(file, *completed("a", run_id="01a1ff7c-0000-7000-8000-000000000000")) == file


def test_a_later_run_takes_the_place_of_the_one_shown() -> None:
    first = {"run_id": RUN, "run_number": 1, "status": "analyzed", "analyses": [], "report": {"label": "no_findings"}}
    file = apply({}, "snapshot", {"status": "analyzed", "run": first})
    later = "01a1ff7c-ffff-7000-8000-000000000000"
    file = apply(file, "assay.run.requested.v1", {"run_id": later, "run_number": 2, "plan": ["b"]})
    assert (file["status"], file["run"]["run_number"], file["run"]["report"]) == ("queued", 2, None)
    file = apply(file, *completed("b", run_id=later))
    assert states(file) == {"b": "completed"}
    assert apply(file, "assay.run.requested.v1", {"run_id": RUN, "run_number": 1, "plan": ["a"]}) == file
