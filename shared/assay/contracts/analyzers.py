"""What an analyzer says of itself, and the topic that lists the analyzers at work."""

from typing import ClassVar
from uuid import NAMESPACE_URL, UUID, uuid5

from pydantic import Field

from assay.contracts.base import Body, Event

ANALYZER_NAME = r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$"


class Weights(Body):
    """A file of trained parameters."""

    name: str = Field(examples=["npr.safetensors"])
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    source: str = Field(description="Where it comes from, for a person: a page, or the script that trained it")
    licence: str = Field(examples=["Apache-2.0"])
    size: int | None = Field(default=None, gt=0, description="Bytes")
    url: str | None = Field(
        default=None,
        description="Where `assay models pull` gets it: https://…, s3://bucket/key or file:///path; or "
        "package:module/path for a file that lies in the analyzer's own package; null: it is put there by hand",
        examples=["https://example.org/npr.safetensors", "package:my_package/npr.safetensors"],
    )
    required: bool = Field(
        default=True,
        description="False: the analyzer works without this file, and does less. In `analyzer.registered`, only those "
        "optional files stand that it works with",
    )


class AnalyzerManifest(Body):
    """Name, version, what it takes, what it says, how far it may be trusted."""

    name: str = Field(pattern=ANALYZER_NAME, max_length=64, examples=["jpeg-forensics"])
    version: str = Field(pattern=r"^\d+\.\d+\.\d+$", description="A new version means that verdicts may differ")
    title: str = Field(examples=["JPEG compression traces"])
    description: str = Field(description="What it looks for, in a sentence or two for a person")
    media_types: tuple[str, ...] = Field(min_length=1, description="Exact media types, or `image/*`")
    claims: tuple[str, ...] = Field(min_length=1, description="What its scores are about")
    labels: tuple[str, ...] = Field(min_length=1, description="Every label that its verdicts may carry")
    max_bytes: int = Field(default=256 * 1024 * 1024, gt=0, description="Larger files are not in its plan")
    time_limit_s: float = Field(default=120.0, gt=0, description="From started to a verdict; beyond it: timed_out")
    derives: bool = Field(default=False, description="True: it takes files out of others, to be examined themselves")
    weights: tuple[Weights, ...] = ()
    licence: str = Field(default="Apache-2.0", description="Of its code")
    domain: str = Field(description="On what it was evaluated, and where its scores mean little")
    sources: tuple[str, ...] = Field(default=(), description="The papers and standards that it follows")

    def takes(self, media_type: str) -> bool:
        """True if files of this media type are examined."""
        main, _, _ = media_type.partition("/")
        return media_type in self.media_types or f"{main}/*" in self.media_types


class AnalyzerRegistered(Event):
    """An analyzer has loaded its model and takes work. A tombstone under its name retires it."""

    type: ClassVar[str] = "assay.analyzer.registered.v1"
    topics: ClassVar[tuple[str, ...]] = ("assay.analyzers",)

    manifest: AnalyzerManifest

    @property
    def event_id(self) -> UUID:
        return uuid5(NAMESPACE_URL, f"assay:analyzer/{self.manifest.name}/{self.manifest.version}")

    @property
    def key(self) -> str:
        return self.manifest.name
