"""The analyzer `synthetic-image`: was this picture made by a generative model?"""

from assay.inference.analyzers.synthetic_image.analyzer import SyntheticImage, SyntheticImageSettings

__all__ = ["SyntheticImage", "SyntheticImageSettings"]
