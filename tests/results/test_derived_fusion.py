"""What was found inside a file in the file's own report."""

import itertools
from uuid import UUID

import pytest

from assay.contracts import Evidence, MissingAnalysis, Report
from assay.results.fusion import Outcome, fuse
from assay.results.inside import DerivedReport, Inside, Unfinished
from assay.shared.ids import new_id
from results.test_fusion import failed, said, signed

MANIPULATED = [said("jpeg-forensics", "manipulated", "manipulated", 0.97)]
NOTHING = [said("jpeg-forensics", "no_findings", "manipulated", 0.05)]
HAM = [said("mail-text", "ham", "spam", 0.02)]
SILENT = [said("unzip", "not_applicable", "bomb", None, 0.0)]


def found(*outcomes: Outcome, inside: Inside | None = None, by: str = "mail-text", **more: str) -> DerivedReport:
    return DerivedReport(
        file_id=new_id(),
        media_type=more.pop("media_type", "image/jpeg"),
        derived_by=by,
        report=fuse(outcomes, inside=inside),
        examined=bool(outcomes),
        status=more.pop("status", "analyzed"),
    )


def where(report: Report) -> list[object]:
    return [each.where for each in report.evidence]


def test_a_finding_inside_raises_the_whole_and_names_the_file() -> None:
    image, text = found(*MANIPULATED), found(*HAM)
    report = fuse(HAM, inside=Inside([text, image]))
    assert (report.label, report.claim, report.score) == ("manipulated", "manipulated", image.report.score)
    assert report.confidence == image.report.confidence
    assert "Found inside by mail-text (image/jpeg): This file was very probably manipulated" in report.summary
    assert {"derived_file_id": str(image.file_id), "analyzer": "jpeg-forensics"} in where(report)
    assert {"analyzer": "mail-text"} in where(report), "its own evidence names no file"


def test_what_lies_deeper_reaches_the_top_under_its_own_id() -> None:
    image = found(*MANIPULATED, by="unzip")
    archive = found(*SILENT, inside=Inside([image]), media_type="application/zip")
    report = fuse(HAM, inside=Inside([archive]))
    assert (archive.report.label, report.label) == ("manipulated", "manipulated")
    assert {"derived_file_id": str(image.file_id), "analyzer": "jpeg-forensics"} in where(report)
    assert "Found inside by mail-text (application/zip): Found inside by unzip (image/jpeg):" in report.summary


def test_a_files_own_finding_stays_its_conclusion() -> None:
    spam = [said("mail-text", "spam", "spam", 0.8)]
    report = fuse(spam, inside=Inside([found(*MANIPULATED)]))
    assert (report.label, report.claim) == ("spam", "spam")
    assert "Found inside" in report.summary


def test_a_proof_outweighs_weak_findings_inside_and_not_strong_ones() -> None:
    proof = signed("authentic", 0.0067, -5.0)
    weak = found(said("jpeg-forensics", "manipulated", "manipulated", 0.7, 0.6))
    report = fuse([proof], inside=Inside([weak]))
    assert report.label == "authentic"
    assert "Found inside" in report.summary
    strong = fuse([proof], inside=Inside([found(said("jpeg-forensics", "manipulated", "manipulated", 0.99, 0.95))]))
    assert strong.label == "manipulated"
    assert "Its origin is proven" in strong.summary


def test_where_nothing_applies_clean_contents_are_no_findings() -> None:
    clean = [found(*NOTHING), found(*NOTHING)]
    report = fuse(SILENT, inside=Inside(clean))
    assert (report.label, report.claim, report.score) == ("no_findings", None, None)
    assert report.confidence == clean[0].report.confidence
    assert report.summary.endswith("No traces were found in any of the 2 files inside.")
    # One that nobody examined, or not in time, leaves it open; and proofs inside prove nothing of the whole.
    assert fuse(SILENT, inside=Inside([*clean, found()])).label == "inconclusive"
    assert fuse(SILENT, inside=Inside(clean, [Unfinished(new_id(), "unzip")])).label == "inconclusive"
    assert fuse(SILENT, inside=Inside([found(signed("authentic", 0.0067, -5.0))])).label == "inconclusive"
    # Who looked and cannot tell is not overruled by what is inside.
    unsure = [said("jpeg-forensics", "inconclusive", "manipulated", None, 0.0)]
    assert fuse(unsure, inside=Inside(clean)).label == "inconclusive"


def test_what_nobody_examined_is_said() -> None:
    nobody = found(media_type="application/x-dosexec")
    assert nobody.report.label == "inconclusive"
    assert nobody.report.summary == "No analyzer takes a file of this type: nobody examined it."
    report = fuse(HAM, inside=Inside([nobody]))
    assert report.label == "ham"
    assert report.summary.endswith("No analyzer takes the file inside: nobody examined it.")
    several = fuse(HAM, inside=Inside([found(), found(), found(*NOTHING)]))
    assert "No analyzer takes 2 of the 3 files inside: nobody examined them." in several.summary
    assert "No traces were found in 1 of the 3 files inside." in several.summary


def test_what_is_missing_names_the_file_inside() -> None:
    late = Unfinished(new_id(), "unzip")
    deep = found(failed("npr"), by="unzip", status="failed")
    archive = found(*SILENT, failed("av"), inside=Inside([deep]), status="partially_analyzed")
    report = fuse([*HAM, failed("provenance")], inside=Inside([archive], [late]))

    def missing(analyzer: str, code: str, file_id: UUID | None = None) -> MissingAnalysis:
        return MissingAnalysis(analyzer=analyzer, code=code, derived_file_id=file_id)

    assert report.missing == (
        missing("provenance", "timed_out"),
        missing("unzip", "derived_file_not_finished", late.file_id),
        missing("av", "timed_out", archive.file_id),
        missing("npr", "timed_out", deep.file_id),
    )
    assert "No verdict from provenance (timed_out)." in report.summary
    assert "Verdicts are missing for 1 of the 2 files inside." in report.summary
    assert report.summary.endswith("The examination of 1 of the 2 files inside did not end before the deadline.")


def test_order_changes_nothing() -> None:
    reports = [found(*MANIPULATED), found(*NOTHING), found(), found(failed("a"), status="failed")]
    unfinished = [Unfinished(new_id(), "mail-text"), Unfinished(new_id(), "mail-text")]
    fused = {
        fuse(HAM, inside=Inside(order, late)).model_dump_json()
        for order in itertools.permutations(reports)
        for late in itertools.permutations(unfinished)
    }
    assert len(fused) == 1


@pytest.mark.parametrize("what", ["findings", "failures", "late"])
def test_a_report_stays_small_however_much_was_found(what: str) -> None:
    evidence = Evidence(text="x" * 1000, weight=1.0)
    outcomes = {
        "findings": [said("a", "manipulated", "manipulated", 0.9, 0.8, *[evidence] * 40)],
        "failures": [failed(f"an-analyzer-with-a-long-name-{number}") for number in range(10)],
    }
    if what == "late":
        inside = Inside([], [Unfinished(new_id(), "unzip") for _ in range(1000)])
    else:
        inside = Inside([found(*outcomes[what], status="failed") for _ in range(1000)])
    report = fuse(HAM, inside=inside)
    assert len(report.summary) < 3000
    assert len(report.model_dump_json()) < 160 * 1024
    if what == "findings":
        assert "997 more of the files inside have findings." in report.summary
