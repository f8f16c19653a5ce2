"""What the beginning of a file tells: whether anybody takes it, and how large it may be."""

from assay.shared.media_types import MediaTypes, Sample
from assay.upload.catalog import Catalog
from assay.upload.domain import Options, plan_for
from assay.upload.settings import LimitsSettings

# A file is looked at when this much of it has arrived, and refused then if its type is certain and not taken. Most
# pictures are smaller: their one look is at the whole.
FIRST_LOOK_BYTES = 1024 * 1024


class FirstLook:
    """Refuses early what would be refused at the end."""

    def __init__(self, *, catalog: Catalog, media_types: MediaTypes, limits: LimitsSettings) -> None:
        self._catalog = catalog
        self._media_types = media_types
        self._limits = limits

    async def limit(self, sample: Sample, options: Options) -> int:
        """How many bytes a file that begins so may have.

        Raises UnsupportedMediaTypeError or FileTooLargeError where its type is certain and no analyzer wished takes it.
        """
        media_type = await self._media_types.of(sample)
        if not media_type.certain:
            return self._limits.max_file_bytes
        analyzers = await self._catalog.analyzers()
        plan = plan_for(analyzers, media_type.name, sample.size, options.analyzers)
        return min(self._limits.max_file_bytes, max(analyzers[name].max_bytes for name in plan))
