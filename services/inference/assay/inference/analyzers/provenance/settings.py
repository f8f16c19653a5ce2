"""What an operator may configure: whom to trust."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field


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
