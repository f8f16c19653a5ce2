"""Whether what a file says of itself agrees with itself, with its pixels, and with the camera that it names."""

from assay.inference.analyzers.provenance.consistency.check import check
from assay.inference.analyzers.provenance.consistency.facts import Facts, facts_of
from assay.inference.analyzers.provenance.consistency.oddity import Oddity
from assay.inference.analyzers.provenance.consistency.thumbnail import Comparison, Outcome, compare

__all__ = ["Comparison", "Facts", "Oddity", "Outcome", "check", "compare", "facts_of"]
