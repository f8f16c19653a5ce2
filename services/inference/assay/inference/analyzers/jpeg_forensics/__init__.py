"""The analyzer `jpeg-forensics`: traces of editing in JPEG compression, without training."""

from assay.inference.analyzers.jpeg_forensics.analyzer import JpegForensics, JpegForensicsSettings

__all__ = ["JpegForensics", "JpegForensicsSettings"]
