"""The analyzer `splicing`: parts that come from another picture, or from elsewhere in the same one."""

from assay.inference.analyzers.splicing.analyzer import Splicing, SplicingSettings

__all__ = ["Splicing", "SplicingSettings"]
