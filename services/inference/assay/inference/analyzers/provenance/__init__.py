"""The analyzer `provenance`. See README.md for what it finds and how far it can be trusted."""

from assay.inference.analyzers.provenance.analyzer import Provenance
from assay.inference.analyzers.provenance.settings import ProvenanceSettings

__all__ = ["Provenance", "ProvenanceSettings"]
