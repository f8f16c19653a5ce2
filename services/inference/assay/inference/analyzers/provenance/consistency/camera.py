"""The camera that a file names, against what such a camera makes."""

import re
from collections.abc import Iterator

from assay.inference.analyzers.provenance.consistency.cameras import camera
from assay.inference.analyzers.provenance.consistency.facts import Facts
from assay.inference.analyzers.provenance.consistency.oddity import Oddity

_LARGER, _EARLIER, _OTHER_MAKER, _OTHER_LENS, _BEYOND_LENS, _FOREIGN_LENS = 0.7, 0.4, 1.0, 0.8, 0.5, 0.8

# Raw converters keep a few more pixels at the edges than the camera does.
_SPARE = 1.03
_PANORAMA = 2.0

# How the block of a camera's own notes begins, which converters copy as it is.
_NOTES = (
    (b"Nikon\x00", "Nikon"),
    (b"OLYMP", "Olympus"),
    (b"OM SYSTEM", "Olympus"),
    (b"FUJIFILM", "Fujifilm"),
    (b"SONY ", "Sony"),
    (b"Panasonic\x00", "Panasonic"),
    (b"Apple iOS\x00", "Apple"),
)
_MAKERS = (
    ("canon", "Canon"),
    ("nikon", "Nikon"),
    ("fujifilm", "Fujifilm"),
    ("sony", "Sony"),
    ("apple", "Apple"),
    ("samsung", "Samsung"),
    ("google", "Google"),
    ("huawei", "Huawei"),
    ("xiaomi", "Xiaomi"),
    ("olympus", "Olympus"),
)
# Names of models that only one maker uses.
_MODELS = (
    (re.compile(r"^iPhone|^iPad", re.IGNORECASE), "Apple"),
    (re.compile(r"^Canon ", re.IGNORECASE), "Canon"),
    (re.compile(r"^NIKON |^COOLPIX ", re.IGNORECASE), "Nikon"),
    (re.compile(r"^ILCE-\d|^DSC-[A-Z]|^SLT-A\d", re.IGNORECASE), "Sony"),
    (re.compile(r"^Pixel \d", re.IGNORECASE), "Google"),
    (re.compile(r"^SM-[A-Z]\d", re.IGNORECASE), "Samsung"),
    (re.compile(r"^FinePix", re.IGNORECASE), "Fujifilm"),
)
# Lenses that are made for cameras with a mount; a phone has none.
_MOUNTED_LENS = re.compile(r"^(?:EF|EF-S|EF-M|RF|RF-S|TS-E)\s?\d|nikkor|^(?:FE|E) \d+.*mm|^XF\d|zuiko", re.IGNORECASE)
_PHONES = frozenset({"Apple", "Samsung", "Google", "Huawei", "Xiaomi"})
_ZOOM = re.compile(r"(\d+(?:\.\d+)?)(?:-(\d+(?:\.\d+)?))?\s?mm", re.IGNORECASE)


def check_camera(facts: Facts, size: tuple[int, int] | None) -> Iterator[Oddity]:
    """Maker, model, lens and date against the tables. size: (width, height) as stored."""
    maker = next((name for start, name in _MAKERS if facts.make.casefold().startswith(start)), None)
    yield from _maker(facts, maker)
    yield from _lens(facts, maker)
    known = camera(facts.model)
    if known is None:
        return
    largest = known.size
    # A developed picture may be enlarged; a panorama is put together by the camera itself.
    if largest and size and max(size) < _PANORAMA * min(size):
        too_large = size[0] * size[1] > largest[0] * largest[1] * _SPARE**2
        if too_large and max(size) > largest[0] * _SPARE:
            text = (
                f"It has {size[0]} × {size[1]} pixels; the {known.model} takes {largest[0]} × {largest[1]} at most: "
                "it was enlarged, put together from several pictures, or taken by another camera."
            )
            yield Oddity("camera", text, _LARGER, {"field": "exif:Model"})
    taken = facts.date("taken")
    if taken and taken.value and taken.value.year < known.year - 1 and (taken.value.month, taken.value.day) != (1, 1):
        text = (
            f"It says that it was taken on {taken.text}; the {known.model} came out in {known.year}. "
            "A clock that was never set explains that, too."
        )
        yield Oddity("camera", text, _EARLIER, {"field": "exif:DateTimeOriginal"})


def _maker(facts: Facts, maker: str | None) -> Iterator[Oddity]:
    noted = next((name for start, name in _NOTES if facts.maker_note.startswith(start)), None)
    if maker and noted and noted != maker:
        text = f"It names a camera by {facts.make}, but the camera's own notes in it are in the form of {noted}."
        yield Oddity("camera", text, _OTHER_MAKER, {"field": "exif:MakerNote"})
    owner = next((name for pattern, name in _MODELS if pattern.search(facts.model)), None)
    if maker and owner and owner != maker:
        text = f"It names a {facts.model} by {facts.make}; such cameras are made by {owner}."
        yield Oddity("camera", text, _OTHER_MAKER, {"field": "exif:Make"})


def _lens(facts: Facts, maker: str | None) -> Iterator[Oddity]:
    where = {"field": "exif:LensModel"}
    if maker in _PHONES and _MOUNTED_LENS.search(facts.lens):
        yield Oddity("camera", f"It names the phone {facts.model} with the lens {facts.lens}.", _FOREIGN_LENS, where)
    if maker == "Apple" and facts.lens.startswith("iPhone") and facts.model.startswith("iPhone"):
        # The lens's name begins with the phone's, then says which side: “iPhone 13 back dual wide camera 5.1mm f/1.6”.
        named = re.split(r" (?:back|front)\b", facts.lens, maxsplit=1)[0]
        if named.casefold() != facts.model.casefold():
            yield Oddity("camera", f"It names an {facts.model}, but the lens of an {named}.", _OTHER_LENS, where)
    match = _ZOOM.search(facts.lens)
    if match and facts.focal_length:
        shortest, longest = float(match[1]), float(match[2] or match[1])
        # Extenders double at most; makers round.
        if not 0.88 * shortest <= facts.focal_length <= 2.15 * longest:
            text = f"It was taken at {facts.focal_length:g} mm, which the lens it names ({facts.lens}) cannot do."
            yield Oddity("camera", text, _BEYOND_LENS, where)
