"""Is a manifest complete?"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from assay.contracts.analyzers import AnalyzerManifest, Weights
from assay.contracts.verdicts import INCONCLUSIVE, NOT_APPLICABLE

WORD = re.compile(r"[a-z][a-z0-9_]{0,63}")
MEDIA_TYPE = re.compile(r"[a-z]+/(\*|[a-z0-9][a-z0-9.+-]*)")
SCHEMES = ("https://", "http://", "s3://", "file://", "package:")


def faults_of_manifest(manifest: AnalyzerManifest) -> Iterator[str]:
    """One line for each thing that is missing or wrong."""
    for name in ("title", "description", "domain", "licence"):
        if not str(getattr(manifest, name)).strip():
            yield f"{name} is empty"
    if not manifest.sources:
        yield "sources are empty: name the papers or standards that it follows, or how it was made"
    for label in (*manifest.labels, *manifest.claims):
        if not WORD.fullmatch(label):
            yield f"{label!r} is no label or claim: lower case, digits and underscores"
    if NOT_APPLICABLE in manifest.labels:
        yield f"{NOT_APPLICABLE} is no label of its own: raise NotApplicableError"
    if set(manifest.labels) <= {INCONCLUSIVE}:
        yield "no label says anything"
    for media_type in manifest.media_types:
        if not MEDIA_TYPE.fullmatch(media_type):
            yield f"{media_type!r} is no media type"
    names = [weights.name for weights in manifest.weights]
    if len(set(names)) != len(names):
        yield "two weights have one name"
    for weights in manifest.weights:
        yield from _faults_of_weights(weights)


def faults_of_files(manifest: AnalyzerManifest, files: Mapping[str, Path]) -> Iterator[str]:
    """One line for each weights file that is missing, or is not the declared one."""
    for weights in manifest.weights:
        path = files.get(weights.name)
        if path is None and not weights.required:
            continue
        if path is None:
            yield f"the weights {weights.name} are in no package: set `analyzer.weights` in `analyzer()`"
            continue
        if not path.is_file():
            yield f"the weights {path} are not there"
            continue
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        if sha256 != weights.sha256:
            yield f"the weights {path} have the sha256 {sha256}, the manifest says {weights.sha256}"
        if weights.size not in (None, path.stat().st_size):
            yield f"the weights {path} have {path.stat().st_size} bytes, the manifest says {weights.size}"


def _faults_of_weights(weights: Weights) -> Iterator[str]:
    if Path(weights.name).name != weights.name:
        yield f"the weights' name {weights.name!r} is no name of a file"
    if not weights.source.strip():
        yield f"the weights {weights.name} have no source"
    if not weights.licence.strip():
        yield f"the weights {weights.name} have no licence"
    if weights.url is not None and not weights.url.startswith(SCHEMES):
        yield f"the weights {weights.name} have the url {weights.url!r}; it begins with one of {', '.join(SCHEMES)}"
