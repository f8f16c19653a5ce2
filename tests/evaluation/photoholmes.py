"""The methods of the same name in photoholmes/photoholmes, as a baseline, where somebody has a checkout.

Nothing of it is a part of Assay. ASSAY_EVAL__PHOTOHOLMES names the checkout; a photoholmes that can be imported is
taken too. Its methods dq and zero need numpy, scipy, mpmath, opencv-python, PyYAML and torch, splicebuster and
noisesniffer scikit-image and scikit-learn too; PYTHONPATH may name a folder that has them.
"""

import importlib
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from assay.inference.analyzers.jpeg_forensics.dct import BLOCK, block_coefficients

VARIABLE = "ASSAY_EVAL__PHOTOHOLMES"

_ALL = tuple((row, column) for row in range(BLOCK) for column in range(BLOCK))


@dataclass(frozen=True, slots=True, eq=False)
class Baseline:
    """photoholmes' methods, on the luminance of a picture's bytes."""

    dq_method: Any
    zero_method: Any

    def dq(self, content: bytes) -> NDArray[np.float64]:
        """Heat map of Lin et al. 2009, (H, W), 0..1, of a JPEG."""
        with Image.open(BytesIO(content)) as image:
            table = image.quantization[0]  # type: ignore[attr-defined]
            image.draft("L", image.size)
            luma = np.asarray(image.convert("L"))
        height, width = (side // BLOCK * BLOCK for side in luma.shape)
        steps = torch.tensor(table, dtype=torch.float32)[None, :, None, None]
        values = torch.round(block_coefficients(torch.from_numpy(luma.copy())[None], _ALL) / steps).to(torch.int64)[0]
        plane = values.reshape(BLOCK, BLOCK, height // BLOCK, width // BLOCK).permute(2, 0, 3, 1)
        coefficients = plane.reshape(1, height, width).numpy().copy()
        heat = np.asarray(self.dq_method.predict(coefficients, (height, width)), dtype=np.float64)
        padding = ((0, luma.shape[0] - height), (0, luma.shape[1] - width))
        return np.pad(heat, padding)

    def zero(self, content: bytes) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
        """Mask and votes of Nikoukhah et al. 2021, (H, W). Slow: about a second for 20,000 pixels."""
        with Image.open(BytesIO(content)) as image:
            luma = np.asarray(image.convert("L"))
        mask, _, votes, _ = self.zero_method.predict(luma[..., None])
        return np.asarray(mask) > 0, np.asarray(votes, dtype=np.int64)

    def splicebuster(self, content: bytes) -> NDArray[np.float64]:
        """Heat map of Cozzolino et al. 2015, (H, W); the larger, the odder. Seconds for a picture."""
        method = _method("splicebuster", "Splicebuster")
        with Image.open(BytesIO(content)) as image:
            luma = np.asarray(image.convert("L"), dtype=np.float32) / 255.0
        with _quiet():
            return np.nan_to_num(np.asarray(method.predict(luma), dtype=np.float64))

    def noisesniffer(self, content: bytes) -> NDArray[np.bool_]:
        """Mask of Gardella et al. 2021, (H, W). Seconds for a picture."""
        method = _method("noisesniffer", "Noisesniffer")
        with Image.open(BytesIO(content)) as image:
            pixels = np.asarray(image.convert("RGB"))
        with _quiet():
            mask, _ = method.predict(pixels)
        return np.asarray(mask) > 0


@cache
def _method(module: str, name: str) -> Any:
    return getattr(importlib.import_module(f"photoholmes.methods.{module}.method"), name)()


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what newer libraries think of the ways in which it uses them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        yield


def baseline() -> Baseline | None:
    """The baseline; None where photoholmes is neither named nor importable.

    Raises FileNotFoundError where ASSAY_EVAL__PHOTOHOLMES names a folder without it.
    """
    checkout = os.environ.get(VARIABLE)
    if checkout:
        source = Path(checkout) / "src"
        if not (source / "photoholmes").is_dir():
            raise FileNotFoundError(f"{VARIABLE}={checkout} holds no src/photoholmes.")
        sys.path.insert(0, str(source))
    elif importlib.util.find_spec("photoholmes") is None:
        return None
    dq = importlib.import_module("photoholmes.methods.dq.method")
    zero = importlib.import_module("photoholmes.methods.zero.method")
    return Baseline(dq_method=dq.DQ(), zero_method=zero.Zero())
