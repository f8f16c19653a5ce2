"""Reads RivaGAN's mark of 32 bits with the network of its authors (an optional weights file, ONNX).

Source: Zhang, Xu, Cuesta-Infante, Veeramachaneni, “Robust invisible video watermarking with attention” (2019); the
decoder as the library invisible-watermark ships it. Every place of a picture carries all bits, so a part is enough.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay.inference.analyzers.provenance.watermarks.chance import LIMIT, chance_of
from assay.inference.analyzers.provenance.watermarks.messages import Mark, Message

LENGTH = 32
SIDE = 256
"""The part of a picture that is read is so many pixels wide and high at most, cut out of its middle."""

_THRESHOLD = 0.5


class RivaGan:
    """The decoder, on one CPU thread."""

    def __init__(self, weights: Path) -> None:
        """weights: `rivagan_decoder.onnx`. Raises OSError where it cannot be read or is no such network."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        try:
            self._session: Any = onnxruntime.InferenceSession(
                weights.read_bytes(), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # the runtime's errors have no common class of their own
            raise OSError(f"{weights} is not RivaGAN's decoder: {error}") from error

    def marks(self, pixels: NDArray[np.uint8], messages: Sequence[Message]) -> list[Mark]:
        """The messages that stand in the pixels, uint8 (H, W, 3), RGB; the surest first."""
        if not messages:
            return []
        found: dict[str, Mark] = {}
        for frame in (pixels[..., ::-1], pixels):
            read = self.bits(frame)
            for message in messages:
                matching = sum(a == b for a, b in zip(read, message.bits, strict=True))
                mark = Mark(message, matching, chance_of(matching, LENGTH, 2 * len(messages)))
                if mark.chance <= LIMIT:
                    found.setdefault(message.name, mark)
            if found:
                break
        return sorted(found.values(), key=lambda mark: mark.chance)

    def bits(self, frame: NDArray[np.uint8]) -> str:
        """What the network reads, as a string of 0 and 1. frame: uint8 (H, W, 3), blue first in the usual order."""
        scaled = np.ascontiguousarray(frame.transpose(2, 0, 1)[None, :, None], dtype=np.float32) / 127.5 - 1.0
        (values,) = self._session.run(None, {"frame": scaled})
        return "".join("1" if value > _THRESHOLD else "0" for value in values[0])
