"""Taking an analyzer out of the plans."""

import structlog

from assay.contracts import AnalyzerManifest
from assay.contracts.topics import ANALYZERS
from assay.shared import tracing
from assay.shared.kafka import Publisher
from assay.upload.catalog import Catalog
from assay.upload.outages import storage_errors

log = structlog.get_logger(__name__)


class Retirement:
    """Retires analyzers by a tombstone on `assay.analyzers`, which every replica and every service reads."""

    def __init__(self, *, catalog: Catalog, publisher: Publisher) -> None:
        self._catalog = catalog
        self._publisher = publisher

    async def retire(self, name: str, *, by: str) -> AnalyzerManifest:
        """Retire an analyzer; returns what it was. From then on no plan made by this process names it.

        Runs that name it already stay as they are. A worker that starts with it registers it again.
        Raises UnknownAnalyzerError, and UnavailableError where Kafka does not answer.
        """
        manifest = self._catalog.of_name(name)
        headers = [(key, value.encode()) for key, value in tracing.carrier().items()]
        with storage_errors("Kafka does not answer. Ask again in a minute."):
            await self._publisher.send(ANALYZERS.name, name.encode(), None, headers)
        log.info("analyzer_retired", analyzer=name, version=manifest.version, by=by)
        await self._catalog.until_gone(manifest)
        return manifest
