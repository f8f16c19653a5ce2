"""The analyzer `provenance`: what a file says of its own origin, and how far that can be believed."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import ClassVar

from pydantic import BaseModel

from assay.inference.analyzers.provenance import chain_report, thumbnail_report
from assay.inference.analyzers.provenance.consistency import check, compare
from assay.inference.analyzers.provenance.credentials import check_trust, read_credentials
from assay.inference.analyzers.provenance.judgement import judge
from assay.inference.analyzers.provenance.metadata import read_metadata
from assay.inference.analyzers.provenance.pixels import look
from assay.inference.analyzers.provenance.reading import Reading
from assay.inference.analyzers.provenance.settings import ProvenanceSettings
from assay.inference.analyzers.provenance.watermarks import Message, Scheme
from assay.inference.analyzers.provenance.watermarks.messages import GENERATORS
from assay.inference.analyzers.provenance.watermarks.rivagan import RivaGan
from assay.sdk import Analyzer, AnalyzerManifest, Finding, Media, MediaUnreadableError, Rendering, Weights

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


RIVAGAN = "rivagan_decoder.onnx"
_UNREAD = (
    f"Marks of RivaGAN were not looked for: their network ({RIVAGAN}) is not on this machine; "
    "`assay models pull provenance` gets it."
)


class Provenance(Analyzer[Reading]):
    """Content credentials, declarations of origin, traces and marks of generators, and whether metadata agrees."""

    manifest: ClassVar[AnalyzerManifest] = AnalyzerManifest(
        name="provenance",
        version="2.0.0",
        title="Declared origin",
        description=(
            "Validates C2PA content credentials of a file and its ingredients; reads what metadata says about its "
            "origin (declared source, camera, software, the settings that AI image generators leave) and whether that "
            "agrees with itself, with its thumbnail and with the camera; reads invisible marks of generators."
        ),
        media_types=(*_IMAGES, *_OTHERS),
        claims=("synthetic", "manipulated"),
        labels=("synthetic", "authentic", "manipulated", "no_findings", "inconclusive"),
        max_bytes=2 * 1024 * 1024 * 1024,
        time_limit_s=120.0,
        weights=(
            Weights(
                name=RIVAGAN,
                sha256="6b006690cf352fa50a91a0b6d6241dbcded0a9957969e2c0665cf9a7011b3880",
                size=1_088_816,
                source="https://github.com/ShieldMnt/invisible-watermark (RivaGAN's decoder, 32 bits)",
                licence="MIT",
                url="https://raw.githubusercontent.com/ShieldMnt/invisible-watermark/"
                "68d0376d94a4701ed240af0841ec12e00676e325/imwatermark/rivagan_decoder.onnx",
                required=False,
            ),
        ),
        domain=(
            "Evaluated on 63 files with known provenance (signed, altered, generated, plain), and on real photos with "
            "camera metadata, hundreds of them with thumbnails. For pictures it reads credentials, metadata, "
            "thumbnails and marks; for video, sound, PDF and SVG credentials only. Finding nothing proves nothing: "
            "metadata is easily removed and easily forged, and marks do not survive resizing, cropping or strong "
            "compression."
        ),
        sources=(
            "C2PA Technical Specification 2.2",
            "IPTC NewsCodes: Digital Source Type",
            "IPTC Photo Metadata Standard 2025.1",
            "CIPA DC-008 (Exif 3.0)",
            "ISO 16684-1 (XMP)",
            "ShieldMnt/invisible-watermark (DWT-DCT)",
            "Zhang et al., Robust invisible video watermarking with attention, 2019 (RivaGAN)",
        ),
    )
    settings_type: ClassVar[type[BaseModel]] = ProvenanceSettings
    settings: ProvenanceSettings
    _rivagan: RivaGan | None = None

    def load(self, device: str) -> None:
        """Read the trust settings once, so that a wrong one stops the start: OSError or ValueError. Needs no device."""
        del device
        check_trust(self.settings)
        path = self.weights.get(RIVAGAN)
        self._rivagan = RivaGan(path) if path is not None and self._asked_of_rivagan else None

    def prepare(self, media: Media) -> Reading:
        """Read credentials, metadata and marks. Raises MediaUnreadableError where the bytes are not of their type."""
        if media.size == 0:
            raise MediaUnreadableError("The file is empty.")
        metadata = read_metadata(media.path)
        expected = _CONTAINERS.get(media.media_type)
        if expected is not None and metadata.container is None:
            raise MediaUnreadableError(f"The bytes are not a picture of the type {media.media_type}.")
        seen = look(media, (*GENERATORS, *self.settings.messages))
        thumbnail = None
        if metadata.thumbnail is not None and seen.small is not None:
            thumbnail = compare(metadata.thumbnail, seen.small)
        return Reading(
            credentials=read_credentials(media.path, media.media_type, self.settings),
            metadata=metadata,
            seen=seen,
            thumbnail=thumbnail,
            oddities=check(metadata.facts, seen.size, thumbnail),
            marks=seen.marks,
        )

    def infer(self, batch: Sequence[Reading]) -> list[Finding]:
        """Decide from what was read."""
        return [judge(self._with_marks_of_rivagan(reading)) for reading in batch]

    @property
    def _asked_of_rivagan(self) -> tuple[Message, ...]:
        return tuple(message for message in self.settings.messages if message.scheme is Scheme.RIVAGAN)

    def _with_marks_of_rivagan(self, reading: Reading) -> Reading:
        if reading.seen.middle is None:
            return reading
        if self._rivagan is None:
            return replace(reading, unread=_UNREAD)
        found = self._rivagan.marks(reading.seen.middle, self._asked_of_rivagan)
        return replace(reading, marks=(*reading.marks, *found))

    def explain(self, prepared: Reading, finding: Finding) -> Iterable[Rendering]:
        """The manifests as JSON and as a tree, the thumbnails that they carry, and the one in Exif with the picture."""
        del finding
        if prepared.thumbnail is not None:
            yield Rendering(
                "thumbnail.png",
                "image/png",
                thumbnail_report.drawn(prepared.thumbnail),
                "The thumbnail in the metadata (left) and the picture made as small (right).",
            )
        credentials = prepared.credentials
        if not credentials.report:
            return
        tree = "Who signed what: the file's content credentials and those of everything that it was made from."
        yield Rendering("credentials.svg", "image/svg+xml", chain_report.as_svg(credentials.chain), tree)
        whole = "Every manifest of the content credentials: signer, certificate, time, actions, ingredients."
        yield Rendering("credentials.json", "application/json", chain_report.as_json(credentials.chain), whole)
        report = json.dumps(json.loads(credentials.report), indent=1, ensure_ascii=False).encode()
        yield Rendering("manifest.json", "application/json", report, "The content credentials as they were read.")
        for number, (media_type, data) in enumerate(credentials.thumbnails, start=1):
            suffix = media_type.removeprefix("image/").replace("jpeg", "jpg")
            title = "A thumbnail that the content credentials carry: the file, or an ingredient, when it was signed."
            yield Rendering(f"thumbnail-{number}.{suffix}", media_type, data, title)
