"""The analyzers at work, and what is said where none can help."""

import asyncio
from collections.abc import Mapping

from assay.contracts import AnalyzerManifest
from assay.shared.catalog import AnalyzerTable
from assay.shared.problems import UnavailableError
from assay.shared.settings import KafkaSettings
from assay.upload import metrics
from assay.upload.errors import NoAnalyzersError, UnknownAnalyzerError

GONE_S = 10.0


class Catalog(AnalyzerTable):
    """The table of analyzers, as requests ask for it."""

    def __init__(self, settings: KafkaSettings) -> None:
        super().__init__(settings, client_id="assay-upload-catalog")
        metrics.ANALYZERS.set_function(lambda: len(self.known))

    async def analyzers(self) -> Mapping[str, AnalyzerManifest]:
        """The analyzers by name. Raises UnavailableError before the topic was read, NoAnalyzersError without any."""
        await self.check()
        if not self.known:
            raise NoAnalyzersError(
                "No analyzer has registered yet, so nobody would examine the file. Start the inference service "
                "and try again."
            )
        return self.known

    def of_name(self, name: str) -> AnalyzerManifest:
        """One analyzer. Raises UnknownAnalyzerError."""
        manifest = self.known.get(name)
        if manifest is None:
            raise UnknownAnalyzerError(
                f"There is no analyzer {name[:64]}. There are: {', '.join(sorted(self.known)) or 'none'}."
            )
        return manifest

    async def until_gone(self, manifest: AnalyzerManifest) -> None:
        """Wait until this registration is no longer in the table. Raises UnavailableError after 10 s."""
        try:
            async with asyncio.timeout(GONE_S):
                await self.until(lambda: self.known.get(manifest.name) is not manifest)
        except TimeoutError as error:
            raise UnavailableError(
                "It is retired, but this service has not read that yet. New plans may name it for a while."
            ) from error
