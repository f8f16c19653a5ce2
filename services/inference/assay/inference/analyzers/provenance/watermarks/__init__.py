"""Invisible watermarks: bits that a program spread over the pixels, to be read back by whoever knows the scheme."""

from assay.inference.analyzers.provenance.watermarks.chance import LIMIT, chance_of
from assay.inference.analyzers.provenance.watermarks.messages import Mark, Message, Scheme

__all__ = ["LIMIT", "Mark", "Message", "Scheme", "chance_of"]
