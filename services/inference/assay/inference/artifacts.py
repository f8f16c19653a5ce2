"""What analyzers make to be looked at, stored beside the file."""

import hashlib
from collections.abc import Sequence

from pydantic import ValidationError

from assay.contracts import Artifact
from assay.inference.domain import Analysis
from assay.inference.errors import AnalyzerBrokenError
from assay.sdk import Rendering
from assay.shared.objects import ObjectStore

MAX_ARTIFACTS = 64
MAX_BYTES = 256 * 1024 * 1024


class ArtifactStore:
    """Writes artifacts to S3, before the event that names them."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    async def put(self, analysis: Analysis, renderings: Sequence[Rendering]) -> tuple[Artifact, ...]:
        """Store all. Raises AnalyzerBrokenError for names or sizes that may not be, and StorageError."""
        names = [rendering.name for rendering in renderings]
        if len(names) > MAX_ARTIFACTS or len(set(names)) != len(names):
            raise AnalyzerBrokenError(f"{len(names)} artifacts, of which {len(set(names))} have a name of their own")
        described = [_described(analysis, rendering) for rendering in renderings]
        for artifact, rendering in zip(described, renderings, strict=True):
            await self._store.put(artifact.key, rendering.data, media_type=rendering.media_type)
        return tuple(described)


def _described(analysis: Analysis, rendering: Rendering) -> Artifact:
    if len(rendering.data) > MAX_BYTES:
        raise AnalyzerBrokenError(f"the artifact {rendering.name} has {len(rendering.data)} bytes")
    try:
        return Artifact(
            name=rendering.name,
            media_type=rendering.media_type,
            size=len(rendering.data),
            sha256=hashlib.sha256(rendering.data).hexdigest(),
            key=analysis.artifact_key(rendering.name),
            title=rendering.title,
        )
    except ValidationError as error:
        raise AnalyzerBrokenError(f"the artifact {rendering.name!r}: {error.errors()[0]['msg']}") from error
