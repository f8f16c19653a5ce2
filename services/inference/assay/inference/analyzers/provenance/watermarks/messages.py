"""The messages that are looked for: those of public generators, and those that an operator configures.

Generators with open code embed one fixed message each. The messages are facts of their code: CompVis/stable-diffusion
`scripts/txt2img.py`, Stability-AI/stablediffusion `scripts/txt2img.py`, Stability-AI/generative-models and
huggingface/diffusers (`StableDiffusionXLWatermarker`), black-forest-labs/flux, invoke-ai/InvokeAI.
"""

from dataclasses import dataclass
from enum import StrEnum


class Scheme(StrEnum):
    """How the bits lie in the pixels."""

    DWT_DCT = "DWT-DCT"
    RIVAGAN = "RivaGAN"


@dataclass(frozen=True, slots=True)
class Message:
    """Bits that a mark says, as a string of 0 and 1, and who says them. generator: it marks what a model made."""

    name: str
    scheme: Scheme
    bits: str
    generator: bool = False


@dataclass(frozen=True, slots=True)
class Mark:
    """A message that was read in a picture. chance: that a picture without it reads so, over all messages tried."""

    message: Message
    matching: int
    chance: float


def of_text(text: str) -> str:
    """The bits of a text's bytes, the highest of each first."""
    return "".join(f"{byte:08b}" for byte in text.encode())


GENERATORS = (
    Message("Stable Diffusion 1", Scheme.DWT_DCT, of_text("StableDiffusionV1"), generator=True),
    Message("Stable Diffusion 2", Scheme.DWT_DCT, of_text("SDV2"), generator=True),
    Message("Stable Diffusion XL", Scheme.DWT_DCT, f"{0xB3EC907BB19E:048b}", generator=True),
    # Their code writes the number without its two leading zeros: 46 bits go into the picture.
    Message("FLUX", Scheme.DWT_DCT, f"{0x2AFE879CF52E:b}", generator=True),
    Message("InvokeAI", Scheme.DWT_DCT, of_text("InvokeAI"), generator=True),
)
