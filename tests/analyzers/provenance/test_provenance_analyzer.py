"""The contract with the engine: batches, pickling, determinism, no network."""

import json
import pickle
import socket
import tomllib
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from assay.contracts.verdicts import Verdict
from assay.inference.analyzers.provenance import Provenance, ProvenanceSettings
from assay.sdk import Media

ROOT = Path(__file__).parents[3]


@pytest.fixture
def files(samples: Any, chain: Any, picture: Any, media: Callable[[bytes, str], Media]) -> list[Media]:
    signed = samples.sign(picture(), "image/jpeg", samples.created("trainedAlgorithmicMedia"), chain)
    return [media(signed, "image/jpeg"), media(picture("PNG"), "image/png"), media(picture(), "image/jpeg")]


def test_an_empty_batch_gives_an_empty_list() -> None:
    assert Provenance(ProvenanceSettings()).infer([]) == []


def test_a_batch_gives_what_single_files_give_and_always_the_same(files: list[Media]) -> None:
    analyzer = Provenance(ProvenanceSettings())
    together = analyzer.infer([analyzer.prepare(file) for file in files])
    assert [analyzer.infer([analyzer.prepare(file)])[0] for file in files] == together
    assert [finding.label for finding in together] == ["synthetic", "no_findings", "no_findings"]


def test_what_is_prepared_survives_the_way_from_a_child_process(files: list[Media]) -> None:
    analyzer = Provenance(ProvenanceSettings())
    prepared = [analyzer.prepare(file) for file in files]
    assert analyzer.infer(pickle.loads(pickle.dumps(prepared))) == analyzer.infer(prepared)  # noqa: S301


def test_findings_fit_the_contract(files: list[Media]) -> None:
    analyzer = Provenance(ProvenanceSettings())
    for finding in analyzer.infer([analyzer.prepare(file) for file in files]):
        assert finding.label in analyzer.manifest.labels
        assert finding.claim in analyzer.manifest.claims
        Verdict(
            label=finding.label,
            claim=finding.claim,
            score=finding.score,
            confidence=finding.confidence,
            evidence=finding.evidence,
            details=json.loads(json.dumps(finding.details)),
        )


def test_nothing_opens_a_socket(files: list[Media], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    analyzer = Provenance(ProvenanceSettings())
    assert len(analyzer.infer([analyzer.prepare(file) for file in files])) == len(files)


def test_unknown_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="trust_anchor"):
        ProvenanceSettings.model_validate({"trust_anchor": "roots.pem"})


def test_it_takes_what_the_reader_reads_and_no_other_media() -> None:
    manifest = Provenance.manifest
    assert all(manifest.takes(t) for t in ("image/jpeg", "image/heic", "video/mp4", "audio/x-wav", "application/pdf"))
    assert not any(manifest.takes(t) for t in ("text/plain", "message/rfc822", "application/zip"))


def test_the_service_declares_its_entry_point() -> None:
    project = tomllib.loads((ROOT / "services" / "inference" / "pyproject.toml").read_text(encoding="utf-8"))
    value = project["project"]["entry-points"]["assay.analyzers"]["provenance"]
    assert EntryPoint("provenance", value, "assay.analyzers").load() is Provenance
