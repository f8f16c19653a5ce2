"""Marks that an operator names in the settings."""

import re

from assay.inference.analyzers.provenance.watermarks.messages import Message, Scheme

_MARK = re.compile(
    r"\s*(?P<name>[^=,:]{1,60}?)\s*=\s*(?P<scheme>rivagan|dwt-dct)\s*:\s*(?:0x)?(?P<hex>[0-9a-fA-F]+)\s*"
)
_SHORTEST, _LONGEST = 32, 256


def configured(text: str) -> tuple[Message, ...]:
    """`name=scheme:hexadecimal`, comma separated. Raises ValueError for what is no such list."""
    return tuple(_message(part) for part in text.split(",") if part.strip())


def _message(part: str) -> Message:
    match = _MARK.fullmatch(part)
    if match is None:
        raise ValueError(f"{part.strip()!r} is no mark; write name=rivagan:31cafe77 or name=dwt-dct:…, hexadecimal")
    scheme = Scheme.RIVAGAN if match["scheme"] == "rivagan" else Scheme.DWT_DCT
    length = 4 * len(match["hex"])
    if scheme is Scheme.RIVAGAN and length != _SHORTEST:
        raise ValueError(f"{part.strip()!r} has {length} bits; RivaGAN's have {_SHORTEST}, eight hexadecimal digits")
    if not _SHORTEST <= length <= _LONGEST:
        raise ValueError(f"{part.strip()!r} has {length} bits; it must be {_SHORTEST} to {_LONGEST}")
    return Message(match["name"], scheme, f"{int(match['hex'], 16):0{length}b}")
