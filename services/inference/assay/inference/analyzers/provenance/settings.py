"""What an operator may configure: whom to trust, and marks of his own."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, field_validator

from assay.inference.analyzers.provenance.watermarks import Message
from assay.inference.analyzers.provenance.watermarks.configured import configured


class ProvenanceSettings(BaseModel):
    """From ASSAY_ANALYZER__PROVENANCE__<FIELD>. Without trust anchors no signature is ever `Trusted`, only `Valid`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    trust_anchors: Path | None = Field(
        default=None,
        description="PEM bundle of the root certificates whose signers are trusted, for example the C2PA trust list",
    )
    trust_allowed_list: Path | None = Field(
        default=None, description="PEM bundle of signers' own certificates that are trusted without a chain"
    )
    trust_config: Path | None = Field(
        default=None,
        description="Text file of the extended key usages (OIDs, one a line) that a signer's certificate may have",
    )
    watermarks: str = Field(
        default="",
        description="Invisible marks of your own to look for: `name=rivagan:31cafe77,other=dwt-dct:4f5b…`, "
        "hexadecimal; RivaGAN's have 32 bits, DWT-DCT's 32 to 256",
    )

    @field_validator("watermarks")
    @classmethod
    def _understood(cls, value: str) -> str:
        configured(value)
        return value

    @property
    def messages(self) -> tuple[Message, ...]:
        """The configured marks."""
        return configured(self.watermarks)
