"""The analyzer `sharpness`. See README.md."""

from assay_sharpness.analyzer import Sharpness, SharpnessSettings

__all__ = ["Sharpness", "SharpnessSettings"]
