"""The analyzer `face-manipulation`: swapped and re-enacted faces, by networks of other people."""

from assay.inference.analyzers.face_manipulation.analyzer import FaceManipulation

__all__ = ["FaceManipulation"]
