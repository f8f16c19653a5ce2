"""The evaluation data: which pictures are known to be what, where they lie under ASSAY_DATA, where they are to be had.

A set has negatives (real, unedited pictures), positives (the set's claim holds for them), or both. Whatever analyzer's
claim it is, the negatives of every set are real: all of them are its false-alarm check.
"""

import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from evaluation.making import FOLDERS, Maker, copies, made, splices
from evaluation.reserved import refuse_reserved

MANIPULATED, SYNTHETIC = "manipulated", "synthetic"


class DataMissingError(FileNotFoundError):
    """A folder of the evaluation data is not there; the text says which, and where to get it."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """A picture of which something is known.

    path      the file
    truth     True where the claim of its set holds for it
    source    what it was made of: pictures with one source (crops of one video, a photo and its forgery) are drawn
              together where figures get intervals, and never lie on both sides of a split
    mask      a PNG of the same size, white where it was edited; None: not known
    claim     what the truth is about, where an analyzer may rightly say something else of a negative: only verdicts on
              this claim count. None: the negatives are real and unedited, whatever the claim
    """

    path: Path
    truth: bool
    source: str
    mask: Path | None = None
    claim: str | None = None


@dataclass(frozen=True, slots=True)
class LabelledSet:
    """A set of the registry.

    name        a part of the figures' names: `<analyzer>/<name>/<figure>`
    claim       what holds for the positives; None for a set without positives
    had_from    where to get it
    negatives   folder under the data root, "" for none
    positives   folder under the data root, "" for none
    masks       folder under the data root with <stem of the positive>.png, "" for none
    of          the source of a file's picture, from its name; by default each file has its own
    listed      finds the pictures where folders do not say what they are
    maker       makes the pictures: positives of the photos of other sets, and negatives that were saved alike
    only        names of the analyzers that it is for; empty: all that make its claim
    """

    name: str
    claim: str | None
    had_from: str
    negatives: str = ""
    positives: str = ""
    masks: str = ""
    of: Callable[[str], str] = str
    listed: Callable[[Path], list[Labelled]] | None = None
    maker: Maker | None = None
    only: tuple[str, ...] = ()

    def pictures(self, data: Path, scratch: Path) -> list[Labelled]:
        """All pictures, negatives first, in the order of their names. Those that are made lie in `scratch`.

        Raises DataMissingError where a folder is missing or empty, ReservedError where a file is set aside.
        """
        if self.maker is not None:
            return self._made(self.maker, data, scratch / self.name)
        found = self.listed(data) if self.listed else self._in_folders(data)
        refuse_reserved(data, (each.path for each in found))
        return found

    def _made(self, maker: Maker, data: Path, scratch: Path) -> list[Labelled]:
        folders = [folder(data, name, self.had_from) for name in FOLDERS]
        refuse_reserved(data, (path for each in folders for path in each.iterdir()))
        scratch.mkdir(parents=True)
        real, forged = [], []
        for number, each in enumerate(made(maker, folders)):
            path, mask = scratch / f"{number:03d}", scratch / f"{number:03d}.mask.png"
            path.with_suffix(".real").write_bytes(each.real)
            path.with_suffix(".forged").write_bytes(each.forged)
            Image.fromarray(each.mask).save(mask)
            real.append(Labelled(path.with_suffix(".real"), False, each.name))
            forged.append(Labelled(path.with_suffix(".forged"), True, each.name, mask))
        return real + forged

    def _in_folders(self, data: Path) -> list[Labelled]:
        found = []
        for name, truth in ((self.negatives, False), (self.positives, True)):
            for path in sorted(folder(data, name, self.had_from).iterdir()) if name else ():
                mask = data / self.masks / f"{path.stem}.png" if self.masks and truth else None
                found.append(Labelled(path, truth, self.of(path.name), mask))
        return found


def folder(data: Path, name: str, had_from: str) -> Path:
    """A folder of the data. Raises DataMissingError where it is missing or empty."""
    path = data / name
    if not path.is_dir() or not any(path.iterdir()):
        raise DataMissingError(f"{name} is not under {data}. It holds pictures of: {had_from}")
    return path


def _dfdc_source(name: str) -> str:
    """The video of the real face: <split>_real_<video>_<n>, <split>_fake_<video>_<real video>_<n>."""
    *_, video, _ = ("", *name.rsplit("_", 2))
    return video or name


def _casia_source(name: str) -> str:
    """The authentic picture: Au_<kind>_<number>; Tp_…_<kind><number>_<kind><number>_<n>, the host first."""
    match = re.match(r"Au_([a-z]+)_(\d+)", name) or re.match(r"Tp_\w_\w+_\w_\w_([a-z]+)(\d+)_", name)
    return "".join(match.groups()) if match else name


PROVENANCE_FILES = (
    "test files of github.com/contentauth/c2pa-rs, contentauth/example-assets, c2pa-org/public-testfiles and others, "
    "each named in expected.json beside what the reference reader says"
)


def _declared(data: Path) -> list[Labelled]:
    """The files with known provenance: are they AI-made?"""
    where = folder(data, "provenance", PROVENANCE_FILES)
    expected = json.loads((where / "expected.json").read_text(encoding="utf-8"))
    return [
        Labelled(where / name, bool(known["ai_generated"]), name, claim=SYNTHETIC)
        for name, known in sorted(expected.items())
    ]


_CASIA = "CASIA Image Tampering Detection Evaluation Database, version 2"
_CIPLAB = "the set Real and Fake Face Detection of CIPLab, Yonsei University"

SETS: tuple[LabelledSet, ...] = (
    LabelledSet(
        "sg2_faces",
        SYNTHETIC,
        "github.com/tharunnayak14/Real-vs-Fake-Face-Detection",
        negatives="images/sg2_faces/real",
        positives="images/sg2_faces/fake",
    ),
    LabelledSet(
        "sd_vs_photo",
        SYNTHETIC,
        "COCO and ImageNet photos, and DiffusionDB: github.com/DHANUSH7140/REAL-VS-AI-IMAGE-DETECTION-"
        "AND-SIMILAR-OBJECT-DETECTION (visionprobe/backend/data)",
        negatives="images/sd_vs_photo/real",
        positives="images/sd_vs_photo/fake",
    ),
    LabelledSet(
        "genimage_mini",
        SYNTHETIC,
        "github.com/EENX16-VT24-31/AI-Image-Detector (eval_data/Dataset-Mini)",
        negatives="images/genimage_mini/real",
        positives="images/genimage_mini/fake",
    ),
    LabelledSet(
        "composite_faces",
        MANIPULATED,
        _CIPLAB,
        negatives="images/composite_faces/real",
        positives="images/composite_faces/fake",
    ),
    LabelledSet(
        "casia2_jpg",
        MANIPULATED,
        _CASIA,
        negatives="images/casia2_jpg/real",
        positives="images/casia2_jpg/fake",
        of=_casia_source,
    ),
    LabelledSet(
        "dfdc_face_crops",
        MANIPULATED,
        "github.com/erprogs/GenConViT (sample_train_data), of the Deepfake Detection Challenge",
        negatives="images/dfdc_face_crops/real",
        positives="images/dfdc_face_crops/fake",
        of=_dfdc_source,
    ),
    LabelledSet("exif_camera", None, "github.com/ianare/exif-samples (jpg)", negatives="images/exif_camera/real"),
    LabelledSet("made_splices", MANIPULATED, "the photos of the other sets, forged here (making.py)", maker=splices),
    LabelledSet("made_copies", MANIPULATED, "the photos of the other sets, forged here (making.py)", maker=copies),
    LabelledSet("declared", SYNTHETIC, PROVENANCE_FILES, listed=_declared, only=("provenance",)),
)

_PHOTOS = ("sd_vs_photo", "composite_faces", "exif_camera", "casia2_jpg", "sg2_faces")
REAL = {each.negatives: each.had_from for name in _PHOTOS for each in SETS if each.name == name}
"""Folders of ordinary photos that were JPEGs, of which forgeries are made, and where to get them."""

EDITED = {each.positives: each.had_from for each in SETS if each.name in ("casia2_jpg", "composite_faces")}
"""Folders of pictures that people edited; where, nobody says."""


def applying(claims: Iterable[str], analyzer: str, sets: Sequence[LabelledSet] = SETS) -> list[LabelledSet]:
    """The sets that an analyzer with these claims is measured on."""
    claims = set(claims)
    return [
        each
        for each in sets
        if (each.claim is None or each.claim in claims) and (not each.only or analyzer in each.only)
    ]


def described() -> str:
    """Every set with its source, a line each."""
    return "\n".join(f"  {each.name}: {each.had_from}" for each in SETS)
