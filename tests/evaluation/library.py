"""The pictures of the sets, as many as are wanted, their worsened copies, and what is missing of them."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from evaluation.conditions import worsened
from evaluation.duplicates import Fingerprint, fingerprint
from evaluation.sets import DataMissingError, Labelled, LabelledSet


@dataclass(slots=True)
class Library:
    """data: the root of the evaluation data.  scratch: a folder for copies.

    per_class: at most so many pictures of each class of a set; None: all.
    robust_per_class: so many of them also in worsened copies.
    robust_real: so many real photos of each set in worsened copies; None: all.
    """

    data: Path
    scratch: Path
    per_class: int | None = None
    robust_per_class: int = 15
    robust_real: int | None = None
    missing: list[str] = field(default_factory=list)
    _pictures: dict[str, list[Labelled]] = field(default_factory=dict)
    _worsened: dict[tuple[str, str], dict[Labelled, Labelled]] = field(default_factory=dict)
    _fingerprints: dict[Path, Fingerprint | None] = field(default_factory=dict)

    def pictures(self, wanted: LabelledSet) -> list[Labelled]:
        """The pictures of a set, read once; none where it is missing, which is noted. Raises ReservedError."""
        if wanted.name not in self._pictures:
            try:
                self._pictures[wanted.name] = limited(wanted.pictures(self.data, self.scratch), self.per_class)
            except DataMissingError as missing:
                if str(missing) not in self.missing:
                    self.missing.append(str(missing))
                self._pictures[wanted.name] = []
        return self._pictures[wanted.name]

    def for_conditions(self, wanted: LabelledSet) -> list[Labelled]:
        """Those of its pictures that are also judged in worsened copies."""
        return limited(self.pictures(wanted), self.robust_per_class)

    def real_for_conditions(self, wanted: LabelledSet) -> list[Labelled]:
        """Its real, unedited photos of which worsened copies must not be accused."""
        real = [each for each in self.pictures(wanted) if not each.truth and each.claim is None]
        return limited(real, self.robust_real)

    def worsened(self, wanted: LabelledSet, condition: str) -> dict[Labelled, Labelled]:
        """Copies of both in a condition, by what they were made of; made once for all analyzers."""
        key = (wanted.name, condition)
        if key not in self._worsened:
            pictures = list(dict.fromkeys([*self.for_conditions(wanted), *self.real_for_conditions(wanted)]))
            copies = worsened(pictures, condition, self.scratch / wanted.name / condition)
            self._worsened[key] = dict(zip(pictures, copies, strict=True))
        return self._worsened[key]

    def fingerprint(self, picture: Labelled) -> Fingerprint | None:
        """Of a picture; None for a file that no picture can be read from."""
        if picture.path not in self._fingerprints:
            try:
                self._fingerprints[picture.path] = fingerprint(picture.path)
            except OSError:
                self._fingerprints[picture.path] = None
        return self._fingerprints[picture.path]


def limited(pictures: Sequence[Labelled], per_class: int | None) -> list[Labelled]:
    """At most so many of each class, as if drawn: the same in every run."""
    if per_class is None:
        return list(pictures)
    by_chance = sorted(pictures, key=lambda each: chance_of(each.path.name))
    return [each for truth in (False, True) for each in [each for each in by_chance if each.truth is truth][:per_class]]


def chance_of(text: str) -> int:
    """A number as good as drawn, the same for the same text."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
