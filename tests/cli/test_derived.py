"""How files that were found inside others look on a terminal."""

from typing import Any

from rich.console import Console

from assay.cli import drawing
from assay.cli.commands.watch import _line
from assay.cli.following import apply

WHOLE, INSIDE, RUN = (f"01a1ff7c-16cc-74e8-9d42-cf8213f567e{digit}" for digit in "abc")
DERIVED = {
    "file_id": INSIDE, "derived_by": "mail", "depth": 1, "media_type": "image/jpeg", "size": 12345, "sha256": "ab" * 32,
    "status": "analyzed", "label": "manipulated", "score": 0.973,
}  # fmt: skip
FILE: dict[str, Any] = {
    "file_id": WHOLE, "parent_file_id": None, "filename": "mail.eml", "media_type": "message/rfc822", "size": 20000,
    "sha256": "cd" * 32, "status": "running", "derived": [DERIVED], "links": {"web": "http://localhost/files/x"},
    "run": {"run_id": RUN, "status": "running", "report": None,
            "analyses": [{"analyzer": "mail", "status": "running"}]},
}  # fmt: skip
CHILD: dict[str, Any] = {**FILE, "file_id": INSIDE, "parent_file_id": WHOLE, "filename": None, "derived": []}


def printed(*lines: Any) -> str:
    console = Console(width=200, color_system=None)
    with console.capture() as capture:
        for line in lines:
            console.print(line)
    return capture.get()


def test_the_files_inside_stand_under_the_whole() -> None:
    shown = printed(*drawing.inside(FILE))
    assert shown.splitlines() == [
        "found inside:",
        f"  {INSIDE}  manipulated     score 0.97  image/jpeg  12 KB  by mail",
    ]
    waiting = {**DERIVED, "label": None, "score": None, "status": "queued"}
    assert f"{INSIDE}  queued          score –" in printed(*drawing.inside({**FILE, "derived": [waiting]}))
    assert drawing.inside(CHILD) == []


def test_a_file_inside_says_where_it_was_found() -> None:
    assert drawing.origin(CHILD, FILE) == f"found in mail.eml by mail  file {WHOLE}"
    assert drawing.origin({**CHILD, "file_id": WHOLE}, CHILD) == f"found in (found inside another file)  file {INSIDE}"
    assert drawing.heading(CHILD)[0].startswith("(found inside another file)  message/rfc822")


def test_while_the_whole_waits_it_says_for_how_many() -> None:
    event = {"run_id": RUN, "analyzer": "mail", "version": "1", "duration_ms": 5, "derived": [INSIDE, WHOLE]}
    verdict = {"label": "no_findings", "score": 0.1}
    file = apply(FILE, "assay.analysis.completed.v1", {**event, "verdict": verdict})
    assert "2 found inside, examined before the report" in printed(drawing.live(file))
    assert "found inside" not in printed(drawing.live(FILE))


def test_evidence_and_what_is_missing_name_the_file_inside() -> None:
    report = {
        "label": "manipulated", "score": 0.97, "claim": "manipulated", "confidence": 0.8, "summary": "It was.",
        "evidence": [{"text": "A trace.", "where": {"analyzer": "jpeg", "derived_file_id": INSIDE}}],
        "missing": [{"analyzer": "npr", "code": "timed_out", "derived_file_id": INSIDE}],
    }  # fmt: skip
    shown = printed(*drawing.report({"report": report}))
    assert f"  - A trace. (jpeg, in {INSIDE})" in shown
    assert f"  missing: npr (timed_out) in {INSIDE}" in shown


def test_watch_tells_of_files_inside() -> None:
    assert _line("snapshot", {"files": [FILE]}).splitlines()[1:] == [
        f"  {WHOLE}  running             mail.eml",
        f"    {INSIDE}  manipulated         image/jpeg",
    ]
    found = _line("assay.file.derived.v1", {"file_id": INSIDE, "parent_file_id": WHOLE, "derived_by": "mail"})
    assert found.endswith(f"{INSIDE}  file.derived  found in {WHOLE} by mail")
    done = {"file_id": INSIDE, "parent_file_id": WHOLE, "report": {"label": "manipulated"}}
    assert _line("assay.run.completed.v1", done).endswith(f"run.completed  manipulated  found in {WHOLE}")
    named = {"file_id": WHOLE, "analyzer": "mail", "verdict": {"label": "ham"}, "derived": [INSIDE]}
    assert _line("assay.analysis.completed.v1", named).endswith("mail  ham  1 found inside")
