"""The size that Exif gives of its picture against the picture itself."""

from collections.abc import Iterator

from assay.inference.analyzers.provenance.consistency.facts import Facts
from assay.inference.analyzers.provenance.consistency.oddity import Oddity

_CUT, _ENLARGED, _RESIZED = 0.4, 0.3, 0.1
_SAME_SHAPE = 0.012


def check_size(facts: Facts, size: tuple[int, int] | None) -> Iterator[Oddity]:
    """size: (width, height) as stored."""
    if facts.declared_size is None or size is None or not all(size):
        return
    if sorted(facts.declared_size) == sorted(size):
        return
    was, now = "{} × {}".format(*facts.declared_size), "{} × {}".format(*size)
    text = f"Its metadata was written for a picture of {was} pixels; this one has {now}"
    where = {"field": "exif:PixelXDimension"}
    aspects = max(facts.declared_size) / min(facts.declared_size), max(size) / min(size)
    # Whole pixels alone change the shape of a small picture.
    if abs(aspects[0] / aspects[1] - 1) > _SAME_SHAPE + 1.5 / min(size):
        yield Oddity("size", f"{text}, another shape: it was cut or put together anew since.", _CUT, where)
    elif max(size) > max(facts.declared_size):
        yield Oddity("size", f"{text}: it was enlarged since.", _ENLARGED, where)
    else:
        yield Oddity("size", f"{text}: it was made smaller since, as sites and mail programs do.", _RESIZED, where)
