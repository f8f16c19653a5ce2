"""The rules of fusion: pure, so by themselves."""

import itertools
import random

import pytest

from assay.contracts import Evidence, Verdict
from assay.results.fusion import Outcome, fuse
from assay.results.pooling import logit, probability


def said(
    analyzer: str,
    label: str,
    claim: str,
    score: float | None,
    confidence: float = 0.8,
    *evidence: Evidence,
    **details: object,
) -> Outcome:
    if not evidence:
        evidence = (Evidence(text=f"{analyzer} saw {label}.", weight=logit(score) if score is not None else 0.0),)
    verdict = Verdict(
        label=label, claim=claim, score=score, confidence=confidence, evidence=evidence, details=dict(details)
    )
    return Outcome(analyzer, verdict)


def failed(analyzer: str, code: str = "timed_out") -> Outcome:
    return Outcome(analyzer, None, code)


SIGNED = {"c2pa": {"validation_state": "Trusted"}}
MANIFEST = {"manifest": "urn:c2pa:1"}


def signed(label: str, score: float, weight: float, claim: str = "synthetic") -> Outcome:
    evidence = Evidence(text="A trusted signer says so.", weight=weight, where=MANIFEST)
    return said("provenance", label, claim, score, 0.95, evidence, **SIGNED)


NOTHING_KNOWN = said("provenance", "no_findings", "synthetic", None, 0.0, Evidence(text="No credentials."))


def test_one_finding_is_the_report() -> None:
    report = fuse([said("jpeg-forensics", "manipulated", "manipulated", 0.97, 0.9), NOTHING_KNOWN])
    assert (report.label, report.claim) == ("manipulated", "manipulated")
    assert report.score is not None and 0.9 < report.score < 0.97, "shrunk by its confidence"
    assert report.confidence == pytest.approx(0.9)
    assert report.summary == "This file was very probably manipulated (jpeg-forensics): jpeg-forensics saw manipulated."


def test_each_claim_has_its_own_score() -> None:
    report = fuse(
        [
            said("a", "no_findings", "manipulated", 0.4, 1.0),
            said("b", "no_findings", "synthetic", 0.1, 1.0),
            said("c", "inconclusive", "synthetic", None, 0.0),
            said("d", "not_applicable", "speech", None, 0.0),
        ]
    )
    assert [(each.claim, each.label, each.score) for each in report.claims] == [
        ("manipulated", "no_findings", pytest.approx(0.4)),
        ("speech", "not_applicable", None),
        ("synthetic", "no_findings", pytest.approx(0.1)),
    ]
    assert (report.label, report.claim) == ("no_findings", "manipulated"), "the highest speaks for all"


def test_order_changes_nothing() -> None:
    outcomes = [
        said("a-one", "manipulated", "manipulated", 0.9),
        said("a-two", "no_findings", "manipulated", 0.2, 0.5),
        said("a-three", "synthetic", "synthetic", 0.8),
        said("a-four", "inconclusive", "manipulated", None, 0.0),
        failed("a-five"),
    ]
    reports = {fuse(order).model_dump_json() for order in itertools.permutations(outcomes)}
    assert len(reports) == 1


def test_agreement_strengthens_and_the_prior_counts_once() -> None:
    one = fuse([said("a", "manipulated", "manipulated", 0.8, 1.0)])
    two = fuse([said(name, "manipulated", "manipulated", 0.8, 1.0) for name in "ab"])
    assert one.score == pytest.approx(0.8)
    assert two.score == pytest.approx(probability(1.5 * logit(0.8)), abs=1e-4)
    # Two that merely repeat the prior say nothing new, whatever the prior is.
    for prior in (0.05, 0.5, 0.7):
        repeated = fuse([said(name, "no_findings", "manipulated", prior, 1.0) for name in "abc"], prior=prior)
        assert repeated.score == pytest.approx(prior, abs=1e-4)


def test_less_confidence_moves_less() -> None:
    scores = [fuse([said("a", "manipulated", "manipulated", 0.95, c)]).score for c in (0.1, 0.5, 1.0)]
    assert scores == sorted(scores)  # type: ignore[type-var]
    assert scores[-1] == pytest.approx(0.95)


def test_disagreement_lowers_the_confidence() -> None:
    alone = fuse([said("a", "manipulated", "manipulated", 0.95)])
    opposed = fuse([said("a", "manipulated", "manipulated", 0.95), said("b", "no_findings", "manipulated", 0.3, 0.5)])
    assert opposed.label == "manipulated"
    assert opposed.confidence < alone.confidence
    assert "b sees it otherwise" in opposed.summary
    torn = fuse([said("a", "manipulated", "manipulated", 0.9), said("b", "no_findings", "manipulated", 0.1)])
    assert (torn.label, torn.confidence) == ("inconclusive", 0.0)
    assert "contradict each other" in torn.summary


def test_nothing_found_beside_one_that_does_not_apply_is_nothing_found() -> None:
    report = fuse(
        [said("a", "no_findings", "synthetic", None, 0.0), said("b", "not_applicable", "manipulated", None, 0.0)]
    )
    assert report.label == "no_findings"
    assert report.summary.startswith("No traces of ")
    assert "b does not apply." in report.summary


def test_who_cannot_tell_adds_no_evidence_and_is_mentioned() -> None:
    finding = said("a", "manipulated", "manipulated", 0.95)
    silent = [
        said("b", "inconclusive", "manipulated", 0.2, 0.9),
        said("c", "not_applicable", "manipulated", None, 0.0),
    ]
    report = fuse([finding, *silent])
    assert report.score == fuse([finding]).score
    assert "b cannot tell." in report.summary
    assert "c does not apply." in report.summary
    assert {each.where["analyzer"]: each.weight for each in report.evidence if each.where}["b"] == 0.0


def test_a_valid_signature_dominates() -> None:
    report = fuse([signed("synthetic", 0.9985, 6.5), said("npr", "no_findings", "synthetic", 0.02, 0.9)])
    assert (report.label, report.score) == ("synthetic", 0.9985)
    assert report.confidence == pytest.approx(0.95 * 0.75)
    assert "npr sees it otherwise" in report.summary
    unsigned = said("provenance", "synthetic", "synthetic", 0.9985, 0.95, Evidence(text="It says so.", weight=6.5))
    weaker = fuse([unsigned, said("npr", "no_findings", "synthetic", 0.02, 0.9)])
    assert weaker.score is not None and weaker.score < 0.99


def test_signed_as_made_by_ai_and_spliced_says_both() -> None:
    report = fuse([signed("synthetic", 0.9985, 6.5), said("jpeg-forensics", "manipulated", "manipulated", 0.97, 0.9)])
    assert report.label == "synthetic"
    assert "almost certainly made or altered by AI" in report.summary
    assert "It was also very probably manipulated" in report.summary


def test_authentic_needs_proof() -> None:
    proven = fuse([signed("authentic", 0.0067, -5.0), said("jpeg-forensics", "no_findings", "manipulated", 0.1)])
    assert (proven.label, proven.claim) == ("authentic", "synthetic")
    assert proven.summary.startswith("Its origin is proven")
    hearsay = fuse([said("exif", "authentic", "synthetic", 0.2, 0.9, Evidence(text="A camera is named.", weight=-1.4))])
    assert hearsay.label == "inconclusive"


def test_authentic_yields_to_strong_contrary_evidence_only() -> None:
    proof = signed("authentic", 0.0067, -5.0)
    weak = fuse([proof, said("jpeg-forensics", "manipulated", "manipulated", 0.7, 0.6)])
    assert weak.label == "authentic"
    assert "manipulated" in weak.summary
    strong = fuse([proof, said("jpeg-forensics", "manipulated", "manipulated", 0.99, 0.95)])
    assert (strong.label, strong.claim) == ("inconclusive", "manipulated")
    assert strong.summary.startswith("The evidence contradicts itself")
    assert "Its origin is proven" in strong.summary


def test_nothing_found_is_not_authentic() -> None:
    report = fuse([said("jpeg-forensics", "no_findings", "manipulated", 0.08), NOTHING_KNOWN])
    assert (report.label, report.claim, report.score is not None) == ("no_findings", "manipulated", True)
    assert "does not prove that the file is authentic" in report.summary
    unscored = fuse([NOTHING_KNOWN])
    assert (unscored.label, unscored.claim, unscored.score) == ("no_findings", None, None)


def test_who_looked_closer_and_cannot_tell_comes_before_nothing_declared() -> None:
    doubt = said("synthetic-image", "inconclusive", "synthetic", None, 0.0, Evidence(text="The traces are ambiguous."))
    nothing_edited = said("jpeg-forensics", "no_findings", "manipulated", 0.08)
    outside = said("other", "not_applicable", "synthetic", None, 0.0)
    report = fuse([nothing_edited, NOTHING_KNOWN, doubt, outside])
    assert {each.claim: each.label for each in report.claims} == {
        "manipulated": "no_findings",
        "synthetic": "inconclusive",
    }
    assert report.label == "no_findings"
    assert "synthetic-image cannot tell" in report.summary
    alone = fuse([NOTHING_KNOWN, doubt, outside])
    assert (alone.label, alone.score) == ("inconclusive", None)
    assert "The traces are ambiguous" in alone.summary


@pytest.mark.parametrize(
    ("outcomes", "summary"),
    [
        ([], "No analyzer takes a file of this type: nobody examined it."),
        (
            [failed("a"), failed("b", "media_unreadable")],
            "No analyzer reached a verdict. No verdict from a (timed_out), b (media_unreadable).",
        ),
        ([said("a", "not_applicable", "spam", None, 0.0)], "No analyzer applies to a file like this."),
        (
            [said("a", "inconclusive", "spam", None, 0.0, Evidence(text="Too short"))],
            "The analyzers cannot tell (a): Too short.",
        ),
    ],
)
def test_without_any_verdict_the_report_says_so(outcomes: list[Outcome], summary: str) -> None:
    report = fuse(outcomes)
    assert (report.label, report.score, report.claim, report.confidence) == ("inconclusive", None, None, 0.0)
    assert report.summary == summary


def test_other_domains_keep_their_own_labels() -> None:
    spam = fuse([said("mail-text", "spam", "spam", 0.97)])
    assert (spam.label, spam.claim) == ("spam", "spam")
    assert spam.summary.startswith("mail-text says spam (spam: ")
    ham = fuse([said("mail-text", "ham", "spam", 0.02), NOTHING_KNOWN])
    assert (ham.label, ham.claim) == ("ham", "spam")
    drums = fuse(
        [said("drums", "transcribed", "drums", None, 0.9), said("npr", "not_applicable", "synthetic", None, 0.0)]
    )
    assert (drums.label, drums.score, drums.confidence) == ("transcribed", None, 0.9)
    assert drums.summary == "drums says transcribed (drums): drums saw transcribed. npr does not apply."
    both = fuse([said("mail-text", "ham", "spam", 0.02), said("jpeg-forensics", "manipulated", "manipulated", 0.99)])
    assert both.label == "manipulated"
    assert "mail-text says ham" in both.summary


def test_evidence_comes_strongest_first_and_says_whose_it_is() -> None:
    report = fuse(
        [
            said(
                "a", "manipulated", "manipulated", 0.9, 0.8, Evidence(text="weak", weight=0.5), Evidence(text="context")
            ),
            said("b", "no_findings", "manipulated", 0.3, 0.8, Evidence(text="against", weight=-2, where={"page": 2})),
        ]
    )
    assert [each.text for each in report.evidence] == ["against", "weak", "context"]
    assert report.evidence[0].where == {"page": 2, "analyzer": "b"}


def test_a_report_stays_small_however_much_evidence_there_is() -> None:
    many = tuple(Evidence(text="x" * 1000, weight=1.0, where={"points": list(range(2000))}) for _ in range(60))
    report = fuse([said("a", "manipulated", "manipulated", 0.9, 0.8, *many)])
    assert len(report.evidence) > 0
    assert len(report.model_dump_json()) < 128 * 1024


def test_whatever_the_verdicts_the_report_is_sound() -> None:
    chance = random.Random(7)
    labels = ["manipulated", "synthetic", "authentic", "no_findings", "inconclusive", "not_applicable", "spam", "ham"]
    for _ in range(2000):
        outcomes = [
            failed(f"a-{number}")
            if chance.random() < 0.1
            else said(
                f"a-{number}",
                chance.choice(labels),
                chance.choice(["manipulated", "synthetic", "spam"]),
                chance.choice([None, 0.0, 1.0, 0.5, chance.random()]),
                chance.choice([0.0, 1.0, chance.random()]),
            )
            for number in range(chance.randrange(5))
        ]
        report = fuse(outcomes)
        assert report.summary.endswith((".", "…"))
        assert (report.claim is None) == (report.score is None)
        assert report.label != "not_applicable"
        if report.label == "authentic":
            assert any(o.verdict and o.verdict.label == "authentic" for o in outcomes)
