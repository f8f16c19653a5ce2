"""What happens to pictures on their way through the web, done to the evaluation's own: one condition at a time.

All is determined by the picture; a copy is the same in every run. Pictures that were JPEGs become JPEGs again of a
quality that leaves hardly any trace (95), so that a condition changes what it is named after and not the container.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from io import BytesIO
from pathlib import Path

from PIL import Image, ImageOps

from evaluation.sets import Labelled

SCREEN = (1280, 720)
BORDER = (240, 240, 240)

Condition = Callable[[Image.Image], bytes]


def encoded(pixels: Image.Image, kind: str, **options: int) -> bytes:
    """The bytes of a file of a kind that Pillow knows. options: of its writer."""
    output = BytesIO()
    pixels.save(output, kind, **options)
    return output.getvalue()


def _jpeg(quality: int) -> Condition:
    return lambda pixels: encoded(pixels, "JPEG", quality=quality)


def _webp(pixels: Image.Image) -> bytes:
    return encoded(pixels, "WEBP", quality=80)


def _half(pixels: Image.Image) -> bytes:
    size = (max(1, pixels.width // 2), max(1, pixels.height // 2))
    return encoded(pixels.resize(size, Image.Resampling.LANCZOS), "JPEG", quality=95)


def _cropped(pixels: Image.Image) -> bytes:
    """The middle 60 % of each side, beginning off the grid of 8x8 blocks."""
    left, top = (_off_grid(side * 2 // 10) for side in pixels.size)
    return encoded(
        pixels.crop((left, top, left + pixels.width * 6 // 10, top + pixels.height * 6 // 10)), "JPEG", quality=95
    )


def _off_grid(start: int) -> int:
    return start // 8 * 8 + 3


def _screenshot(pixels: Image.Image) -> bytes:
    """Shown as large as a screen allows, with flat borders around it, and saved without loss."""
    shown = ImageOps.contain(pixels, SCREEN, Image.Resampling.BILINEAR)
    screen = Image.new("RGB", SCREEN, BORDER)
    screen.paste(shown, ((SCREEN[0] - shown.width) // 2, (SCREEN[1] - shown.height) // 2))
    return encoded(screen, "PNG", compress_level=1)


CONDITIONS: dict[str, Condition] = {
    "jpeg95": _jpeg(95),
    "jpeg85": _jpeg(85),
    "jpeg75": _jpeg(75),
    "jpeg60": _jpeg(60),
    "webp80": _webp,
    "half": _half,
    "crop": _cropped,
    "screenshot": _screenshot,
}


def worsened(pictures: Sequence[Labelled], condition: str, folder: Path) -> list[Labelled]:
    """Copies of the pictures, in a folder that is made; without metadata, as the web hands them on."""
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for number, each in enumerate(pictures):
        with Image.open(each.path) as image:
            pixels = ImageOps.exif_transpose(image).convert("RGB")
        path = folder / f"{number:05d}"
        path.write_bytes(CONDITIONS[condition](pixels))
        made.append(replace(each, path=path, mask=None))
    return made
