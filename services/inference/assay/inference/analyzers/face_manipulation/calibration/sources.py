"""Labelled faces of public repositories, as they are checked out beside Assay. None of them is part of it."""

import csv
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Labelled:
    """A picture of one face.

    groups  what it has in common with others, such as the video that it is a frame of; the first decides on which side
            of a split it is
    """

    source: str
    manipulated: bool
    path: Path
    groups: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Source:
    """A folder of a repository at one commit, checked out as <repositories>/<owner>+<name>.

    pattern  of the files, from the checkout on
    most     how many are taken: those whose names have the lowest sha256, which is a draw that everybody repeats
    kind     what file names say: "single" nothing, "frame" <video>_<frame>, "challenge" the table metadata.csv does
    """

    name: str
    manipulated: bool
    repository: str
    commit: str
    pattern: str
    most: int
    kind: str = "single"

    def pictures(self, repositories: Path) -> Iterator[Labelled]:
        """All of them, in the order of the draw. Raises FileNotFoundError where there is none."""
        checkout = repositories / self.repository.replace("/", "+")
        found = sorted(checkout.glob(self.pattern), key=lambda path: (_drawn(path.name), path))
        if not found:
            raise FileNotFoundError(
                f"there is no {self.pattern} in {checkout}; check out github.com/{self.repository} at {self.commit}"
            )
        for path in found:
            if self.kind == "challenge":
                label, original = _challenge(checkout)[path.stem]
                if (label == "FAKE") == self.manipulated:
                    groups = (original or path.stem, path.stem)
                    yield Labelled(self.name, self.manipulated, path, groups)
            else:
                group = path.name.partition("_")[0] if self.kind == "frame" else path.name
                yield Labelled(self.name, self.manipulated, path, (f"{self.name}/{group}",))


def _drawn(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


@cache
def _challenge(checkout: Path) -> dict[str, tuple[str, str]]:
    """Label and original of every video of the challenge."""
    with (checkout / "metadata.csv").open(encoding="utf-8", newline="") as file:
        return {
            row["videoname"].removesuffix(".mp4"): (row["label"], row["original"].removesuffix(".mp4"))
            for row in csv.DictReader(file)
        }


_MESONET = ("kiteco/python-youtube-code", "901ecbad7e34038039ed6a66c71760ff383adb5c")
_CHALLENGE = ("i-Shreyansh/DeepFake-Detection", "39728535acf043fba39623885f91319db521bf23")
_CIPLAB = ("EASONTAN03/fake-face-detection", "b9c47968c822c95181e9229624b8de40eba04d57")
_UNSPLASH = ("tharunnayak14/Real-vs-Fake-Face-Detection", "2dade5e926a2c505d22be1232bac8b1e3e4f5e05")
_FLICKR = ("dinablachman/realorfake", "e4a5b79372cf913e4280527d6ea4d3e21a769037")

SOURCES = (
    Source("mesonet", True, *_MESONET, "Deepfake-detection/data/DeepFake/*.jpg", 300, "frame"),
    Source("dfdc", True, *_CHALLENGE, "faces_224/*.jpg", 200, "challenge"),
    Source("ciplab", True, *_CIPLAB, "data/interim/real_and_fake_face_5/*/fake/*.jpg", 200),
    Source("mesonet", False, *_MESONET, "Deepfake-detection/data/Real/*.jpg", 200, "frame"),
    Source("dfdc", False, *_CHALLENGE, "faces_224/*.jpg", 200, "challenge"),
    Source("ciplab", False, *_CIPLAB, "data/interim/real_and_fake_face_5/*/real/*.jpg", 200),
    Source("unsplash", False, *_UNSPLASH, "*/real/*.jpg", 200),
    Source("flickr", False, *_FLICKR, "data/real/*.jpg", 200),
)
