"""Brings weights to this machine: streamed to a draft, verified, and only then put in their place.

`assay models pull` does it; in an image, where that command is not: `python -m assay.inference.models_pulling [NAME]…`.
"""

import hashlib
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from uuid import uuid4

from assay.contracts import Weights
from assay.inference.models import ModelStore, WeightsError, is_packed, sha256_of
from assay.inference.models_sources import NothingThereError, SourceError, opened, s3_settings
from assay.inference.plugins import installed_manifests
from assay.inference.scratch import is_owner_alive
from assay.inference.settings import ModelSettings
from assay.shared.settings import S3Settings

DRAFTS = "drafts"

Progress = Callable[[int], None]
"""Told of the bytes that have come so far."""


class PullError(Exception):
    """The weights could not be had. One line: why, and what to do. Nothing is left of the attempt."""


class Puller:
    """Fetches weights into a store."""

    def __init__(self, store: ModelStore, *, url: str | None, s3: S3Settings | None) -> None:
        """url: one place that has all weights, as `<url>/<sha256>/<name>` or `<url>/<name>`; None: their own addresses.

        s3: how to reach a bucket; None: as boto3 finds out.
        """
        self._store = store
        self._url = url.rstrip("/") if url else None
        self._s3 = s3

    def pull(self, analyzer: str, weights: Weights, progress: Progress) -> tuple[Path, bool]:
        """The verified file, and whether it had to be fetched. Raises PullError."""
        try:
            return self._store.find(analyzer, weights), False
        except WeightsError as error:
            # What else lies there does no harm: the right file goes to its own place.
            if is_packed(weights):
                raise PullError(str(error)) from error
        except OSError as error:
            raise PullError(f"{weights.name}: {error}") from error
        try:
            return self._fetch(weights, progress), True
        except SourceError as error:
            raise PullError(f"{weights.name}: {error}") from error
        except OSError as error:
            raise PullError(f"{weights.name} cannot be stored in {self._store.folder}: {error}") from error

    def _fetch(self, weights: Weights, progress: Progress) -> Path:
        place = self._store.place(weights)
        drafts = self._store.folder / DRAFTS
        drafts.mkdir(parents=True, exist_ok=True)
        _clear(drafts)
        draft = drafts / f"{os.getpid()}-{uuid4().hex}"
        try:
            self._write(weights, draft, progress)
            place.parent.mkdir(exist_ok=True)
            draft.replace(place)
        finally:
            draft.unlink(missing_ok=True)
        return place

    def _write(self, weights: Weights, draft: Path, progress: Progress) -> None:
        """From the first address that has something. Raises SourceError where none has, or where it is wrong."""
        missing: list[str] = []
        for address in self._addresses(weights):
            try:
                with opened(address, self._s3) as pieces:
                    sha256 = _written(pieces, draft, weights, address, progress)
            except NothingThereError as error:
                missing.append(str(error))
                continue
            if sha256 != weights.sha256:
                raise SourceError(
                    f"{address} has the sha256 {sha256}, the manifest says {weights.sha256}; nothing was kept"
                )
            return
        raise SourceError("; ".join(missing))

    def _addresses(self, weights: Weights) -> list[str]:
        if self._url:
            return [f"{self._url}/{weights.sha256}/{weights.name}", f"{self._url}/{weights.name}"]
        if weights.url:
            return [weights.url]
        by_hand = self._store.folder / weights.name
        raise SourceError(
            f"its manifest has no address to fetch it from; its source is {weights.source}; put it there: {by_hand}"
        )


def _written(pieces: Iterator[bytes], draft: Path, weights: Weights, address: str, progress: Progress) -> str:
    """Write the pieces and return their sha256. More than the manifest says are not waited for."""
    digest, size = hashlib.sha256(), 0
    with draft.open("wb") as file:
        for piece in pieces:
            size += len(piece)
            if weights.size is not None and size > weights.size:
                raise SourceError(f"{address} has more than the {weights.size} bytes of the manifest; nothing was kept")
            digest.update(piece)
            file.write(piece)
            progress(size)
        file.flush()
        os.fsync(file.fileno())
    return digest.hexdigest()


def _clear(drafts: Path) -> None:
    """Remove what processes left that were killed."""
    for draft in drafts.iterdir():
        if not is_owner_alive(draft.name):
            draft.unlink(missing_ok=True)


def main(names: Sequence[str], environ: Mapping[str, str]) -> int:
    """Fetch the weights of the named analyzers, or of all. Returns the exit status; an error is one line."""
    settings = {name: environ.get(f"ASSAY_MODELS__{name.upper()}") for name in ModelSettings.model_fields}
    models = ModelSettings.model_validate({name: value for name, value in settings.items() if value})
    puller = Puller(ModelStore(models.path, sha256_of), url=models.url, s3=s3_settings(environ))
    manifests = installed_manifests()
    status = 0
    for name in names or manifests:
        manifest = manifests.get(name, KeyError("no such analyzer is installed"))
        if isinstance(manifest, Exception):
            print(f"assay: {name}: {type(manifest).__name__}: {manifest}", file=sys.stderr)
            status = 1
            continue
        for weights in manifest.weights:
            try:
                path, _ = puller.pull(name, weights, lambda _: None)
                print(f"{name}  {weights.name}  {path}")
            except PullError as error:
                print(f"assay: {name}: {error}", file=sys.stderr)
                status = 1
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
