"""Takes ZIP archives apart, and counts the letters of texts. An archive's comment says how to misbehave."""

import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from assay.sdk import (
    UNREADABLE,
    Analyzer,
    AnalyzerManifest,
    DerivedFile,
    Evidence,
    Finding,
    Media,
    MediaUnreadableError,
    Members,
)


@dataclass(frozen=True, slots=True)
class Unpacked:
    files: tuple[DerivedFile, ...]
    evidence: tuple[Evidence, ...]
    left_out: int


class Unzipping(Analyzer[Unpacked]):
    """Its members are what it is about; of the archive itself it says nothing."""

    manifest: ClassVar[AnalyzerManifest] = AnalyzerManifest(
        name="unzipping",
        version="1.0.0",
        title="ZIP archives",
        description="Takes the members out of ZIP archives.",
        media_types=("application/zip",),
        claims=("odd",),
        labels=("no_findings",),
        time_limit_s=30,
        derives=True,
        domain="Archives made by tests",
        sources=("PKWARE, APPNOTE.TXT: .ZIP file format specification",),
    )

    def prepare(self, media: Media) -> Unpacked:
        members = Members(media.room)
        try:
            with zipfile.ZipFile(media.path) as archive:
                infos = [info for info in archive.infolist() if not info.is_dir()]
                if archive.comment == b"greedy":
                    files = tuple(DerivedFile(archive.read(info)) for info in infos)
                    return Unpacked(files, (), 0)
                for number, info in enumerate(infos):
                    if members.is_full:
                        members.leave_out(len(infos) - number)
                        break
                    size = None if archive.comment == b"says no sizes" else info.file_size
                    try:
                        with archive.open(info) as stream:
                            members.add(stream, size=size)
                    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError):
                        members.leave_out(reason=UNREADABLE)
        except (zipfile.BadZipFile, ValueError) as error:
            raise MediaUnreadableError("This is no ZIP archive.") from error
        return Unpacked(members.files, members.evidence(), members.left_out)

    def infer(self, batch: Sequence[Unpacked]) -> list[Finding]:
        return [
            Finding(
                label="no_findings",
                claim="odd",
                score=0.1,
                confidence=0.1,
                evidence=each.evidence,
                details={"left_out": each.left_out, "types": sorted({type(one.data).__name__ for one in each.files})},
                derived=each.files,
            )
            for each in batch
        ]


class Counting(Analyzer[int]):
    manifest: ClassVar[AnalyzerManifest] = AnalyzerManifest(
        name="counting",
        version="1.0.0",
        title="Letters",
        description="Counts letters.",
        media_types=("text/plain",),
        claims=("odd",),
        labels=("odd", "no_findings"),
        max_bytes=1_000_000,
        time_limit_s=30,
        domain="Texts made by tests",
    )

    def prepare(self, media: Media) -> int:
        return sum(char.isalpha() for char in media.path.read_text())

    def infer(self, batch: Sequence[int]) -> list[Finding]:
        return [
            Finding(label="odd", claim="odd", score=0.75, confidence=0.9, details={"letters": letters})
            for letters in batch
        ]
