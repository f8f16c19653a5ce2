"""How far `provenance` agrees with what is known of the files in the evaluation data."""

import hashlib
import json
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from assay.inference.analyzers.provenance import Provenance, ProvenanceSettings
from assay.sdk import Finding, Media, MediaUnreadableError
from evaluation import sets
from evaluation.provenance_marks import names_of_marks, rows_of_marks
from evaluation.provenance_thumbnails import rows_of_thumbnails
from evaluation.rows import Row, share

# What the service's typing from content gives for these files; here the names can be believed.
_MEDIA_TYPES = {
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".png": "image/png",
    ".webp": "image/webp",
    ".avif": "image/avif",
    ".dng": "image/tiff",
    ".svg": "image/svg+xml",
    ".mp4": "video/mp4",
    ".wav": "audio/wav",
    ".pdf": "application/pdf",
}


def evaluate_provenance(data: Path) -> list[Row]:
    """Rows of the evaluation table, from the data root (the folder with `provenance/` and `images/`).

    Agreement is the share of files where the label is `synthetic` exactly if the file is known as AI-made, and the
    validation state is the reference reader's; once with no trusted roots, once with the set's test roots. Then the
    shares of pictures that declare nothing for which something is found, or an invisible mark; of camera files that are
    called manipulated; and what becomes of thumbnails and marks. Raises FileNotFoundError where the data is missing,
    naming it.
    """
    folder = sets.folder(data, "provenance", sets.PROVENANCE_FILES)
    expected: dict[str, dict[str, Any]] = json.loads((folder / "expected.json").read_text(encoding="utf-8"))
    roots = folder / "trust_test_roots"
    trusting = ProvenanceSettings(
        trust_anchors=roots / "test_cert_root_bundle.pem",
        trust_allowed_list=roots / "allowed_list.pem",
        trust_config=roots / "store.cfg",
    )
    rows: list[Row] = []
    for name, settings, key in (
        ("declared", ProvenanceSettings(), None),
        ("declared_test_roots", trusting, _WITH_ROOTS),
    ):
        labels, states = _agreement(Provenance(settings), folder, expected, key)
        rows.append(share(f"provenance/{name}/label_agreement", labels, len(expected), aim=1.0))
        rows.append(share(f"provenance/{name}/state_agreement", states, len(expected), aim=1.0))
    return [*rows, *_rows_of_pictures(data)]


def _rows_of_pictures(data: Path) -> list[Row]:
    examine = partial(judge_file, Provenance(ProvenanceSettings()))
    findings = {path: examine(path) for path in _pictures(data)}
    found = sum(finding is not None and finding.label != "no_findings" for finding in findings.values())
    marks = sum(bool(names_of_marks(finding)) for finding in findings.values())
    cameras = [path for path in findings if path.is_relative_to(data / _CAMERAS)]
    manipulated = sum(_label(findings[path]) == "manipulated" for path in cameras)
    rows = [
        share("provenance/undeclared/findings", found, len(findings), aim=0.0),
        share("provenance/unmarked/marks", marks, len(findings), aim=0.0),
        share("provenance/exif_camera/manipulated", manipulated, len(cameras), aim=0.01),
    ]
    with tempfile.TemporaryDirectory(prefix="assay-evaluation-") as scratch:
        rows += rows_of_thumbnails(examine, cameras, Path(scratch))
        rows += rows_of_marks(examine, data / _PHOTOS, Path(scratch))
    return rows


_CAMERAS = "images/exif_camera/real"
_PHOTOS = "images/sd_vs_photo/real"
_WITH_ROOTS = "c2pa_reference_with_test_roots"


def _agreement(
    analyzer: Provenance, folder: Path, expected: dict[str, dict[str, Any]], key: str | None
) -> tuple[int, int]:
    labels = states = 0
    for name, known in expected.items():
        finding = judge_file(analyzer, folder / name)
        wanted = (known["ai_generated"], _reference_state(known, key))
        found = (_label(finding) == "synthetic", _state(finding))
        labels += found[0] == wanted[0]
        states += found[1] == wanted[1]
        if found != wanted:
            print(f"  {name}: (AI-made, state) should be {wanted}, is {found}", file=sys.stderr)
    return labels, states


def _reference_state(known: dict[str, Any], key: str | None) -> str | None:
    """The state that the reference reader names; None where it names an error (no manifest, unreadable)."""
    state = known.get(key) if key else (known.get("c2pa_reference") or {}).get("validation_state")
    return None if state is None or str(state).startswith("C2pa") else str(state)


def judge_file(analyzer: Provenance, path: Path) -> Finding | None:
    """None for a file that the analyzer calls unreadable."""
    content = path.read_bytes()
    media = Media(path, _MEDIA_TYPES[path.suffix.lower()], len(content), hashlib.sha256(content).hexdigest())
    try:
        return analyzer.infer([analyzer.prepare(media)])[0]
    except MediaUnreadableError:
        return None


def _label(finding: Finding | None) -> str | None:
    return finding.label if finding else None


def _state(finding: Finding | None) -> str | None:
    return finding.details["c2pa"]["validation_state"] if finding else None


def _pictures(data: Path) -> Iterator[Path]:
    folder = sets.folder(data, "images", "; ".join(sets.REAL.values()))
    return (path for path in sorted(folder.rglob("*")) if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
