"""All checks of one file."""

from datetime import UTC, datetime

from assay.inference.analyzers.provenance.consistency.camera import check_camera
from assay.inference.analyzers.provenance.consistency.dates import check_dates
from assay.inference.analyzers.provenance.consistency.facts import Facts
from assay.inference.analyzers.provenance.consistency.oddity import Oddity
from assay.inference.analyzers.provenance.consistency.size import check_size
from assay.inference.analyzers.provenance.consistency.software import check_software
from assay.inference.analyzers.provenance.consistency.tables import check_table
from assay.inference.analyzers.provenance.consistency.thumbnail import Comparison, Outcome

OTHER_PICTURE, OTHER_PART, CUT_OUT = 2.0, 1.4, 0.5


def check(facts: Facts, size: tuple[int, int] | None, thumbnail: Comparison | None) -> tuple[Oddity, ...]:
    """The oddities, the strongest first. size: (width, height) of the stored picture, None where it is not known."""
    now = datetime.now(UTC).replace(tzinfo=None)
    found = [
        *_thumbnail(thumbnail),
        *check_camera(facts, size),
        *check_dates(facts, now),
        *check_size(facts, size),
        *check_software(facts),
        *check_table(facts),
    ]
    return tuple(sorted(found, key=lambda oddity: -oddity.weight))


def _thumbnail(comparison: Comparison | None) -> list[Oddity]:
    if comparison is None:
        return []
    where = {"field": "exif:thumbnail"}
    if comparison.outcome is Outcome.OTHER:
        text = (
            f"The thumbnail in its metadata shows another picture (correlation {comparison.correlation:.2f}): what is "
            "shown was exchanged, or the metadata comes from another file."
        )
        return [Oddity("thumbnail", text, OTHER_PICTURE, where)]
    if comparison.outcome is Outcome.PART:
        text = (
            "The thumbnail in its metadata shows something else in one part of the picture, and the same elsewhere: "
            "that part was changed after the thumbnail was made. Cameras that write into pictures do that, too."
        )
        return [Oddity("thumbnail", text, OTHER_PART, where)]
    if comparison.outcome is Outcome.CROPPED:
        text = "The thumbnail in its metadata shows more than the picture: the picture was cut out of a larger one."
        return [Oddity("thumbnail", text, CUT_OUT, where)]
    if comparison.outcome is Outcome.TURNED:
        text = "The thumbnail in its metadata shows it turned or mirrored; programs that turn pictures do that."
        return [Oddity("thumbnail", text, 0.0, where)]
    return []
