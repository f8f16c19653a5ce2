"""synthetic_image_…: the analyzer that Assay comes with, on JPEGs of one megapixel, beside a bare loop of its code."""

from bench import pictures
from bench.assay_worker import drain, running_parts
from bench.engine import compared, rate_row
from bench.rows import Aim, Row
from bench.shipped import UNDRAWN
from bench.workplace import Workplace

ANALYZER = "synthetic-image"
MEGAPIXEL = (1152, 896)
SYNTHETIC = ("synthetic_image_per_s", "synthetic_image_efficiency", "synthetic_image_drawn_per_s")


async def synthetic_image(place: Workplace) -> list[Row]:
    """Files per second, decoding included: to the verdict, over those of the bare loop, and with heat maps.

    Neither side of the first two draws heat maps, which come after the verdict. The last row is the analyzer as it is
    deployed: each file's heat map is drawn and stored while the next files are judged.
    """
    per_s, efficiency, drawn_per_s = SYNTHETIC
    made = pictures.generate(place.folder / "textured", place.scale.files, *MEGAPIXEL, paint=pictures.textured)
    place.say(pictures.described(made, *MEGAPIXEL))
    async with running_parts(place) as parts:
        found = await compared(place, parts, made, UNDRAWN)
        drawn = await drain(place, parts, found.stored, ANALYZER, found.fastest.setting)
    place.say(f"{found.fastest.setting}: with heat maps {drawn}")
    n, pace = len(made), Aim("at least", 60)
    return [
        rate_row(per_s, found.fastest.ours, n, pace, failed=found.failed),
        found.row(efficiency, Aim("at least", 0.9)),
        rate_row(drawn_per_s, drawn.rate, n, pace, failed=drawn.failed),
    ]
