"""What was read of one file: everything that the judgement rests on."""

from dataclasses import dataclass

from assay.inference.analyzers.provenance.consistency import Comparison, Oddity
from assay.inference.analyzers.provenance.credentials import Credentials
from assay.inference.analyzers.provenance.metadata import Metadata
from assay.inference.analyzers.provenance.pixels import Seen
from assay.inference.analyzers.provenance.watermarks import Mark

NOTHING_SEEN = Seen()


@dataclass(frozen=True, slots=True)
class Reading:
    """Picklable; the bytes themselves are not needed any more.

    thumbnail  the picture's thumbnail against the picture; None where there are not both
    oddities   what does not agree, the strongest first
    marks      invisible marks that were read in the pixels
    unread     why marks that were asked for could not be looked for, in a sentence
    """

    credentials: Credentials
    metadata: Metadata
    seen: Seen = NOTHING_SEEN
    thumbnail: Comparison | None = None
    oddities: tuple[Oddity, ...] = ()
    marks: tuple[Mark, ...] = ()
    unread: str | None = None
