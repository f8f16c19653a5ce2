"""The evaluation data: what lies where under ASSAY_DATA, and where each set is to be had."""

from pathlib import Path

# folder under the data root -> where such data is to be had
REAL = {
    "images/sd_vs_photo/real": "COCO and ImageNet photos, github.com/DHANUSH7140/REAL-VS-AI-IMAGE-DETECTION-"
    "AND-SIMILAR-OBJECT-DETECTION (visionprobe/backend/data)",
    "images/composite_faces/real": "the set Real and Fake Face Detection of CIPLab, Yonsei University",
    "images/exif_camera/real": "github.com/ianare/exif-samples (jpg)",
    "images/casia2_jpg/real": "CASIA Image Tampering Detection Evaluation Database, version 2",
    "images/sg2_faces/real": "github.com/tharunnayak14/Real-vs-Fake-Face-Detection",
}
EDITED = {
    "images/casia2_jpg/fake": REAL["images/casia2_jpg/real"],
    "images/composite_faces/fake": REAL["images/composite_faces/real"],
}
PROVENANCE = {
    "provenance": "test files of github.com/contentauth/c2pa-rs, contentauth/example-assets, "
    "c2pa-org/public-testfiles and others, each named in expected.json beside what the reference reader says",
}


class DataMissingError(FileNotFoundError):
    """A folder of the evaluation data is not there; the text says which, and where to get it."""


def folder(data: Path, name: str, source: str) -> Path:
    """The folder of a set. Raises DataMissingError where it is missing or empty."""
    path = data / name
    if not path.is_dir() or not any(path.iterdir()):
        raise DataMissingError(f"{name} is not under {data}. It holds pictures of: {source}")
    return path


def described() -> str:
    """Every set with its source, a line each."""
    sets = {**PROVENANCE, **REAL, **EDITED}
    return "\n".join(f"  {name}: {source}" for name, source in sets.items())
