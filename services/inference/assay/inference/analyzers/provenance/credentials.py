"""Reads C2PA content credentials and says whether they hold.

Source: C2PA Technical Specification 2.2, chapters 14 (trust model), 15 (validation) and 18 (assertions). The reader is
c2pa-rs through `c2pa-python`. Every reader gets a context of its own settings, nothing is configured globally, and
nothing is ever fetched: neither remote manifests nor OCSP answers nor identity documents.
"""

import json
import mmap
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any

import c2pa
from cryptography.x509 import load_pem_x509_certificates

from assay.inference.analyzers.provenance import source_types
from assay.inference.analyzers.provenance.chain import Action, Manifest, actions_of, generator_names, read_chain
from assay.inference.analyzers.provenance.settings import ProvenanceSettings

MAX_REPORT = 32 * 1024 * 1024
MAX_THUMBNAIL = 512 * 1024
MAX_THUMBNAILS = 4
NO_MANIFEST = "C2paManifestNotFound"
UNSUPPORTED = "C2paNotSupported"
# A JUMBF description box of the type of a manifest store (C2PA 11.1.4.2), and the element that holds one in SVG.
_MANIFEST_MARKS = (b"jumdc2pa\x00\x11\x00\x10", b"<c2pa:manifest")
_PICTURES = {"image/jpeg": b"\xff\xd8\xff", "image/png": b"\x89PNG", "image/webp": b"RIFF"}


@dataclass(frozen=True, slots=True)
class Credentials:
    """What the manifest store of one file says, and what validation found.

    present             the file carries a manifest, readable or not, or names one that lies elsewhere
    validation_state    Invalid, Valid or Trusted as the reference reader says; None where nothing could be validated
    error               why not: the reader's error class, C2paManifestNotFound where there is no manifest
    remote_url          where the manifest lies if it is not in the file (never fetched)
    success, failure    validation codes of the active manifest (C2PA 15.2)
    ingredient_failure  those of its ingredients
    generators          names of the software that made the claims: the active manifest's first
    chain               every manifest, the active one first
    report              the whole report of the reader as JSON, "" if there is none
    thumbnails          (media type, bytes) of the pictures that the active manifest carries
    """

    present: bool = False
    validation_state: str | None = None
    error: str | None = None
    remote_url: str | None = None
    active_manifest: str | None = None
    manifest_count: int = 0
    claim_generator: str | None = None
    generators: tuple[tuple[str, bool], ...] = ()
    issuer: str | None = None
    common_name: str | None = None
    algorithm: str | None = None
    signed_at: str | None = None
    success: tuple[str, ...] = ()
    failure: tuple[str, ...] = ()
    ingredient_failure: tuple[str, ...] = ()
    active_source_types: tuple[str, ...] = ()
    all_source_types: tuple[str, ...] = ()
    actions: tuple[Action, ...] = ()
    chain: tuple[Manifest, ...] = ()
    report: str = ""
    thumbnails: tuple[tuple[str, bytes], ...] = ()

    @property
    def signature_holds(self) -> bool:
        """The claim is what its signer signed; says nothing of who the signer is, or of the file's bytes."""
        return "claimSignature.validated" in self.success and "claimSignature.mismatch" not in self.failure

    @property
    def signer_trusted(self) -> bool:
        """The signer of the active manifest is trusted; of its ingredients' this says nothing."""
        return "signingCredential.trusted" in self.success

    @property
    def content_matches(self) -> bool:
        """The file's bytes are those that were signed."""
        return any(c in self.success for c in _CONTENT_MATCH) and not self.content_changed

    @property
    def content_changed(self) -> bool:
        """The file's bytes are not those that were signed."""
        return any(c in self.failure for c in _CONTENT_MISMATCH)


_BINDINGS = ("dataHash", "boxesHash", "bmffHash", "collectionHash", "multiAssetHash")
_CONTENT_MATCH = tuple(f"assertion.{binding}.match" for binding in _BINDINGS)
_CONTENT_MISMATCH = tuple(f"assertion.{binding}.mismatch" for binding in _BINDINGS)


def check_trust(settings: ProvenanceSettings) -> None:
    """Raises OSError where a configured file is missing, ValueError where it holds no usable certificate."""
    for path in (settings.trust_anchors, settings.trust_allowed_list):
        if path is not None:
            try:
                load_pem_x509_certificates(path.read_bytes())
            except ValueError as error:
                raise ValueError(f"The trust setting {path} is not a PEM bundle of certificates: {error}") from error
    try:
        _context(_configuration(settings), os.getpid())
    except c2pa.C2paError as error:
        raise ValueError(f"The trust settings of the analyzer provenance cannot be used: {error}") from error


def read_credentials(path: Path, media_type: str, settings: ProvenanceSettings) -> Credentials:
    """Read and validate the manifest store of one file; errors of the reader become `error`, never an exception."""
    context = _context(_configuration(settings), os.getpid())
    try:
        with path.open("rb") as file, c2pa.Reader(media_type, file, context=context) as reader:
            report = reader.json()
            if len(report) > MAX_REPORT:
                return Credentials(present=True, error="report_too_large")
            store = json.loads(report)
            return _credentials(store, report, _thumbnails(reader, store), _certificates(reader))
    except c2pa.C2paError as error:
        return _failed(error, path)


def _certificates(reader: c2pa.Reader) -> dict[str, Any]:
    """The reader's other report, which alone has the certificates; {} where it cannot make it."""
    try:
        text = reader.crjson()
        report = json.loads(text) if text and len(text) <= MAX_REPORT else {}
    except c2pa.C2paError:
        return {}
    return report if isinstance(report, dict) else {}


def _thumbnails(reader: c2pa.Reader, store: dict[str, Any]) -> tuple[tuple[str, bytes], ...]:
    """(media type, bytes) of the thumbnails that the active manifest carries: its own, then its ingredients'."""
    manifest = store.get("manifests", {}).get(store.get("active_manifest"), {})
    found: list[tuple[str, bytes]] = []
    for holder in [manifest, *(manifest.get("ingredients") or ())][:MAX_THUMBNAILS]:
        thumbnail = holder.get("thumbnail") or {}
        magic = _PICTURES.get(thumbnail.get("format", ""))
        if magic is None:
            continue
        target = BytesIO()
        try:
            reader.resource_to_stream(str(thumbnail.get("identifier")), target)
        except c2pa.C2paError:
            # The manifest names a thumbnail that it does not hold; a picture less to show, nothing else.
            continue
        if target.tell() <= MAX_THUMBNAIL and target.getvalue().startswith(magic):
            found.append((thumbnail["format"], target.getvalue()))
    return tuple(found)


def _configuration(settings: ProvenanceSettings) -> str:
    """The reader's settings as JSON. Raises OSError where a trust file is missing."""
    trust: dict[str, str] = {}
    for name, path in (
        ("trust_anchors", settings.trust_anchors),
        ("allowed_list", settings.trust_allowed_list),
        ("trust_config", settings.trust_config),
    ):
        if path is not None:
            trust[name] = path.read_text(encoding="utf-8")
    configuration: dict[str, Any] = {
        "core": {"allowed_network_hosts": []},
        "verify": {
            "verify_after_reading": True,
            "verify_trust": True,
            "remote_manifest_fetch": False,
            "ocsp_fetch": False,
        },
    }
    if trust:
        configuration["trust"] = trust
    return json.dumps(configuration)


@lru_cache(maxsize=4)
def _context(configuration: str, process: int) -> c2pa.Context:
    """One context per configuration and process: a forked child must not use its parent's native handles."""
    del process
    return c2pa.Context.from_json(configuration)


def _failed(error: c2pa.C2paError, path: Path) -> Credentials:
    name, text = type(error).__name__.lstrip("_"), str(error)
    if name in (NO_MANIFEST, UNSUPPORTED):
        return Credentials(error=name)
    url = None
    if text.startswith("Remote: "):
        url = next((word for word in text.split() if word.startswith("http")), None)
    return Credentials(
        present=url is not None or _holds_manifest(path), error=name, remote_url=url[:500] if url else None
    )


def _holds_manifest(path: Path) -> bool:
    """The file has the beginning of a manifest store; the reader's errors do not tell it from a damaged container."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return any(data.find(mark) >= 0 for mark in _MANIFEST_MARKS)


def _credentials(
    store: dict[str, Any], report: str, thumbnails: tuple[tuple[str, bytes], ...], certificates: dict[str, Any]
) -> Credentials:
    manifests: dict[str, dict[str, Any]] = store.get("manifests") or {}
    active_label = store.get("active_manifest")
    active = manifests.get(active_label or "", {})
    results = store.get("validation_results") or {}
    own = results.get("activeManifest") or {}
    deltas = [delta.get("validationDeltas") or {} for delta in results.get("ingredientDeltas") or ()]
    signature = active.get("signature_info") or {}
    ordered = [active, *(m for label, m in manifests.items() if label != active_label)]
    return Credentials(
        present=True,
        validation_state=store.get("validation_state"),
        active_manifest=active_label,
        manifest_count=len(manifests),
        claim_generator=next(iter(generator_names(active)), None),
        generators=_unique((name, m is active) for m in ordered for name in generator_names(m)),
        issuer=signature.get("issuer"),
        common_name=signature.get("common_name"),
        algorithm=signature.get("alg"),
        signed_at=signature.get("time"),
        success=_codes([own], "success"),
        failure=_codes([own], "failure"),
        ingredient_failure=_codes(deltas, "failure"),
        active_source_types=tuple(sorted(_source_types(active))),
        all_source_types=tuple(sorted(set().union(*(_source_types(m) for m in ordered)))),
        actions=tuple(action for m in ordered for action in actions_of(m, active=m is active)),
        chain=read_chain(store, certificates),
        report=report,
        thumbnails=thumbnails,
    )


def _unique(items: Iterator[tuple[str, bool]]) -> tuple[tuple[str, bool], ...]:
    return tuple(dict.fromkeys(items))


def _codes(results: list[dict[str, Any]], kind: str) -> tuple[str, ...]:
    return tuple(sorted({item["code"] for result in results for item in result.get(kind) or () if "code" in item}))


def _source_types(manifest: dict[str, Any]) -> set[str]:
    """Every digital source type in the manifest's assertions, wherever it stands in them."""
    found: set[str] = set()
    pending: list[Any] = [manifest.get("assertions")]
    while pending:
        node = pending.pop()
        if isinstance(node, dict):
            for key, value in node.items():
                if isinstance(value, str) and key.rsplit(":", 1)[-1].lower() == "digitalsourcetype":
                    found.add(source_types.term(value))
                elif isinstance(value, dict | list):
                    pending.append(value)
        elif isinstance(node, list):
            pending.extend(node)
    return found
