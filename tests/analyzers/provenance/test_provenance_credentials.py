"""Content credentials: what holds, what does not, and what follows from it."""

import math
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from assay.inference.analyzers.provenance import Provenance, ProvenanceSettings
from assay.sdk import Finding, Media

Examine = Callable[..., Finding]
SAMPLE = Path(__file__).parents[3] / "examples" / "samples" / "ai-signed.jpg"


def tampered(signed: bytes) -> bytes:
    """One bit of the compressed picture changed, everything else as it was."""
    at = len(signed) - 40
    return signed[:at] + bytes([signed[at] ^ 1]) + signed[at + 1 :]


@pytest.fixture
def ai_signed(samples: ModuleType, chain: Any, picture: Callable[..., bytes]) -> bytes:
    return samples.sign(picture(), "image/jpeg", samples.created("trainedAlgorithmicMedia"), chain)


def test_a_signed_declaration_is_synthetic_and_valid(ai_signed: bytes, examine: Examine) -> None:
    finding = examine(ai_signed)
    assert (finding.label, finding.claim) == ("synthetic", "synthetic")
    assert finding.details["c2pa"]["validation_state"] == "Valid"
    assert finding.details["c2pa"]["failure_codes"] == ["signingCredential.untrusted"]
    assert finding.details["c2pa"]["issuer"] == "A test signer"
    assert finding.details["c2pa"]["digital_source_types"]["active"] == ["trainedAlgorithmicMedia"]


def test_a_configured_root_makes_it_trusted_and_the_score_higher(
    ai_signed: bytes, chain: Any, examine: Examine
) -> None:
    known, unknown = examine(ai_signed, roots=chain.authority), examine(ai_signed)
    assert known.details["c2pa"]["validation_state"] == "Trusted"
    assert known.score is not None and unknown.score is not None
    assert known.score > unknown.score > 0.9


def test_another_root_does_not_make_it_trusted(ai_signed: bytes, samples: ModuleType, examine: Examine) -> None:
    finding = examine(ai_signed, roots=samples.make_chain("Somebody else").authority)
    assert finding.details["c2pa"]["validation_state"] == "Valid"


def test_settings_of_one_analyzer_do_not_leak_into_another(
    ai_signed: bytes, chain: Any, media: Callable[[bytes], Media], tmp_path: Path
) -> None:
    (tmp_path / "ca.pem").write_text(chain.authority, encoding="utf-8")
    trusting = Provenance(ProvenanceSettings(trust_anchors=tmp_path / "ca.pem"))
    strict, file = Provenance(ProvenanceSettings()), media(ai_signed)
    states = [a.prepare(file).credentials.validation_state for a in (trusting, strict, trusting, strict)]
    assert states == ["Trusted", "Valid", "Trusted", "Valid"]


def test_a_changed_byte_after_signing_is_manipulated(ai_signed: bytes, examine: Examine) -> None:
    finding = examine(tampered(ai_signed))
    assert (finding.label, finding.claim) == ("manipulated", "manipulated")
    assert finding.details["c2pa"]["validation_state"] == "Invalid"
    assert "assertion.dataHash.mismatch" in finding.details["c2pa"]["failure_codes"]
    assert "changed after it was signed" in finding.evidence[0].text


def test_a_broken_signature_proves_nothing(samples: ModuleType, chain: Any, picture: Any, examine: Examine) -> None:
    signed = samples.sign(picture(), "image/jpeg", samples.created("digitalCapture"), chain)
    forged = signed.replace(b"Assay samples", b"Assay sampler")
    assert forged != signed
    finding = examine(forged)
    assert finding.label == "inconclusive"
    assert finding.score is None
    assert "claimSignature.mismatch" in finding.details["c2pa"]["failure_codes"]


def test_authentic_needs_a_trusted_signature_on_a_capture(
    samples: ModuleType, chain: Any, picture: Any, examine: Examine
) -> None:
    signed = samples.sign(picture(), "image/jpeg", samples.created("digitalCapture"), chain)
    assert examine(signed).label == "no_findings"
    trusted = examine(signed, roots=chain.authority)
    assert trusted.label == "authentic"
    assert trusted.score is not None and trusted.score < 0.05
    assert examine(tampered(signed), roots=chain.authority).label == "manipulated"


def test_a_capture_that_was_edited_is_not_called_authentic(
    samples: ModuleType, chain: Any, picture: Any, examine: Examine
) -> None:
    manifest = samples.created("digitalCapture")
    manifest["assertions"][0]["data"]["actions"].append({"action": "c2pa.color_adjustments"})
    finding = examine(samples.sign(picture(), "image/jpeg", manifest, chain), roots=chain.authority)
    assert finding.label == "no_findings"
    assert any("color_adjustments" in evidence.text for evidence in finding.evidence)


def test_an_agent_known_as_ai_counts_without_a_source_type(
    samples: ModuleType, chain: Any, picture: Any, examine: Examine
) -> None:
    signed = samples.sign(picture("PNG"), "image/png", samples.created("digitalCreation", "Adobe Firefly"), chain)
    finding = examine(signed, "image/png")
    assert finding.label == "synthetic"
    assert "Adobe Firefly" in finding.evidence[0].text


@pytest.mark.parametrize("source_type", ["algorithmicMedia", "compositeCapture", "screenCapture", "digitalArt"])
def test_other_source_types_are_not_ai(
    source_type: str, samples: ModuleType, chain: Any, picture: Any, examine: Examine
) -> None:
    finding = examine(samples.sign(picture(), "image/jpeg", samples.created(source_type), chain), roots=chain.authority)
    assert finding.label == "no_findings"


def test_the_weights_add_up_to_the_score(ai_signed: bytes, examine: Examine) -> None:
    for content in (ai_signed, tampered(ai_signed)):
        finding = examine(content)
        total = sum(evidence.weight for evidence in finding.evidence)
        assert finding.score == pytest.approx(1 / (1 + math.exp(-total)), abs=1e-4)


def test_remote_manifests_are_not_fetched(picture: Callable[..., bytes], examine: Examine) -> None:
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}/manifest.c2pa"
    xmp = (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description xmlns:dcterms="http://purl.org/dc/terms/" dcterms:provenance="{address}"/>'
        "</rdf:RDF></x:xmpmeta>"
    )
    try:
        finding = examine(picture(xmp=xmp.encode()))
    finally:
        server.shutdown()
        server.server_close()
    assert asked == []
    assert finding.label == "inconclusive"
    assert finding.details["c2pa"]["remote_url"] == address


def test_artifacts_are_the_manifest_and_its_thumbnail(media: Callable[[bytes], Media]) -> None:
    analyzer = Provenance(ProvenanceSettings())
    prepared = analyzer.prepare(media(SAMPLE.read_bytes()))
    renderings = {r.name: r for r in analyzer.explain(prepared, analyzer.infer([prepared])[0])}
    assert list(renderings) == ["credentials.svg", "credentials.json", "manifest.json", "thumbnail-1.jpg"]
    assert b'"validation_state": "Valid"' in renderings["manifest.json"].data
    assert renderings["thumbnail-1.jpg"].data.startswith(b"\xff\xd8\xff")


def test_the_committed_sample_is_synthetic_and_trusted_by_its_authority(examine: Examine) -> None:
    content = SAMPLE.read_bytes()
    assert len(content) <= 150 * 1024
    assert examine(content).details["c2pa"]["validation_state"] == "Valid"
    trusted = examine(content, roots=(SAMPLE.parent / "test-ca.pem").read_text(encoding="utf-8"))
    assert (trusted.label, trusted.details["c2pa"]["validation_state"]) == ("synthetic", "Trusted")


def test_wrong_trust_settings_stop_the_start(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Provenance(ProvenanceSettings(trust_anchors=tmp_path / "missing.pem")).load("cpu")
    bad = tmp_path / "bad.pem"
    for text in ("no certificate here", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"):
        bad.write_text(text, encoding="utf-8")
        with pytest.raises(ValueError, match="trust"):
            Provenance(ProvenanceSettings(trust_anchors=bad)).load("cpu")
