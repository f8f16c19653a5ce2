"""The analyzer `provenance`: what a file says of its own origin, and how far that can be believed."""

import json
from collections.abc import Iterable, Sequence
from typing import ClassVar

from pydantic import BaseModel

from assay.inference.analyzers.provenance.credentials import check_trust, read_credentials
from assay.inference.analyzers.provenance.judgement import judge
from assay.inference.analyzers.provenance.metadata import read_metadata
from assay.inference.analyzers.provenance.reading import Reading
from assay.inference.analyzers.provenance.settings import ProvenanceSettings
from assay.sdk import Analyzer, AnalyzerManifest, Finding, Media, MediaUnreadableError, Rendering

_IMAGES = (
    "image/jpeg",
    "image/png",
    "image/webp",
    "image/gif",
    "image/tiff",
    "image/avif",
    "image/heic",
    "image/heif",
    "image/jxl",
    "image/svg+xml",
    "image/dng",
    "image/x-adobe-dng",
    "image/x-nikon-nef",
    "image/x-sony-arw",
)
_OTHERS = (
    "video/mp4",
    "video/quicktime",
    "video/x-m4v",
    "video/x-msvideo",
    "audio/mp4",
    "audio/mpeg",
    "audio/flac",
    "audio/wav",
    "audio/x-wav",
    "audio/vnd.wave",
    "application/pdf",
)
# Their container must be recognised by its first bytes; otherwise the media type promises what the bytes do not hold.
_CONTAINERS = {
    "image/jpeg": "jpeg",
    "image/png": "png",
    "image/webp": "webp",
    "image/tiff": "tiff",
    "image/avif": "bmff",
    "image/heic": "bmff",
    "image/heif": "bmff",
}


class Provenance(Analyzer[Reading]):
    """Content credentials, declarations of origin and traces of generators. Reads; never looks at what is shown."""

    manifest: ClassVar[AnalyzerManifest] = AnalyzerManifest(
        name="provenance",
        version="1.0.0",
        title="Declared origin",
        description=(
            "Validates C2PA content credentials and reads what metadata says about a file's origin: declared source, "
            "camera, software, and the settings that AI image generators leave."
        ),
        media_types=(*_IMAGES, *_OTHERS),
        claims=("synthetic", "manipulated"),
        labels=("synthetic", "authentic", "manipulated", "no_findings", "inconclusive"),
        max_bytes=2 * 1024 * 1024 * 1024,
        time_limit_s=120.0,
        domain=(
            "Evaluated on 63 files with known provenance (signed, altered, generated, plain). For pictures it reads "
            "credentials and all metadata; for video, sound, PDF and SVG credentials only. Finding nothing proves "
            "nothing: metadata is easily removed, and unsigned metadata easily forged."
        ),
        sources=(
            "C2PA Technical Specification 2.2",
            "IPTC NewsCodes: Digital Source Type",
            "IPTC Photo Metadata Standard 2025.1",
            "CIPA DC-008 (Exif 3.0)",
            "ISO 16684-1 (XMP)",
        ),
    )
    settings_type: ClassVar[type[BaseModel]] = ProvenanceSettings
    settings: ProvenanceSettings

    def load(self, device: str) -> None:
        """Read the trust settings once, so that a wrong one stops the start: OSError or ValueError."""
        del device
        check_trust(self.settings)

    def prepare(self, media: Media) -> Reading:
        """Read credentials and metadata. Raises MediaUnreadableError where the bytes are not of their media type."""
        if media.size == 0:
            raise MediaUnreadableError("The file is empty.")
        metadata = read_metadata(media.path)
        expected = _CONTAINERS.get(media.media_type)
        if expected is not None and metadata.container is None:
            raise MediaUnreadableError(f"The bytes are not a picture of the type {media.media_type}.")
        return Reading(read_credentials(media.path, media.media_type, self.settings), metadata)

    def infer(self, batch: Sequence[Reading]) -> list[Finding]:
        """Decide from what was read; needs no device."""
        return [judge(reading) for reading in batch]

    def explain(self, prepared: Reading, finding: Finding) -> Iterable[Rendering]:
        """The manifest store as JSON, and the thumbnails that it carries."""
        del finding
        credentials = prepared.credentials
        if not credentials.report:
            return
        report = json.dumps(json.loads(credentials.report), indent=1, ensure_ascii=False).encode()
        yield Rendering("manifest.json", "application/json", report, "The content credentials as they were read.")
        for number, (media_type, data) in enumerate(credentials.thumbnails, start=1):
            suffix = media_type.removeprefix("image/").replace("jpeg", "jpg")
            title = "A thumbnail that the content credentials carry: the file, or an ingredient, when it was signed."
            yield Rendering(f"thumbnail-{number}.{suffix}", media_type, data, title)
