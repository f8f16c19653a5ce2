"""The six networks that judge a face, and the crop that they look at."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from assay.inference.analyzers.face_manipulation import classnseg, mesonet
from assay.inference.analyzers.face_manipulation.detection import Face
from assay.inference.analyzers.face_manipulation.pyramid import Pixels, square
from assay.inference.analyzers.face_manipulation.weights import DECODER, ENCODERS, MESONETS
from assay.sdk.torch import load_weights, to_device

NAMES = (*MESONETS, *ENCODERS)
"""The networks, in the order of the columns of `Networks.answers`."""

_MARGIN = 1.3  # sides of the crop in sides of the face's box: what MesoNet's own crops have, measured
_LOWER = 0.045  # sides of the box by which the crop's middle is below the box's
_CHUNK = 16  # crops that go through together: few, so that their maps stay in a CPU's cache


def crop(pixels: Pixels, face: Face) -> Pixels:
    """The square around a face, uint8 (256, 256, 3). Near the picture's edge it is moved, or made smaller.

    So a picture that is a face crop already is judged as it is.
    """
    height, width = pixels.shape[:2]
    left, top, right, bottom = face.box
    side = min(_MARGIN * face.side, width, height)
    x = min(max((left + right) / 2.0, side / 2.0), width - side / 2.0)
    y = min(max((top + bottom) / 2.0 + _LOWER * face.side, side / 2.0), height - side / 2.0)
    return square(pixels, (x, y), side, mesonet.SIDE).pixels


class Networks:
    """MesoNet four times, ClassNSeg's encoder twice, and a decoder for masks."""

    def __init__(self, weights: Mapping[str, Path], device: str) -> None:
        """Raises OSError where a file is not what it should be."""
        self._device = device
        self._mesonets: list[mesonet.MesoNet] = []
        for name in MESONETS:
            network = mesonet.meso_inception4() if "Inception" in name else mesonet.meso4()
            mesonet.load_keras(network, weights[name])
            self._mesonets.append(network.to(device).eval())
        self._encoders = [_filled(classnseg.Encoder(), weights[name], device) for name in ENCODERS]
        self._decoder = _filled(classnseg.Decoder(), weights[DECODER], device)

    def answers(self, crops: Sequence[Pixels]) -> NDArray[np.float64]:
        """What each network says of each crop; higher is more likely manipulated.

        crops: uint8 (256, 256, 3), RGB.
        Returns float64 (N, 6): logits of `manipulated` of the MesoNets, then for the encoders how much stronger the
        half for altered faces answers. Not calibrated.
        """
        rows = [np.zeros((0, len(NAMES)))]
        for pixels in self._chunks(crops):
            columns = [-network(pixels) for network in self._mesonets]
            columns += [classnseg.altered(encoder(pixels)) for encoder in self._encoders]
            rows.append(torch.stack(columns, 1).double().cpu().numpy())
        return np.concatenate(rows)

    def masks(self, crops: Sequence[Pixels]) -> NDArray[np.float32]:
        """Where the first ClassNSeg sees manipulation, float32 (N, 256, 256), 0..1. To look at, not measured."""
        rows = [np.zeros((0, classnseg.SIDE, classnseg.SIDE), np.float32)]
        for pixels in self._chunks(crops):
            mask: Tensor = self._decoder(self._encoders[0](pixels))
            rows.append(mask.float().cpu().numpy())
        return np.concatenate(rows)

    def _chunks(self, crops: Sequence[Pixels]) -> list[Tensor]:
        chunks = [
            torch.from_numpy(np.stack(crops[start : start + _CHUNK])).permute(0, 3, 1, 2)
            for start in range(0, len(crops), _CHUNK)
        ]
        return [moved.float() / 255.0 for moved in to_device(chunks, self._device)]


def _filled(network: nn.Module, path: Path, device: str) -> nn.Module:
    try:
        network.load_state_dict(load_weights(path, "cpu"))
    except RuntimeError as error:
        raise OSError(f"{path} does not hold the weights of this network: {error}") from error
    return network.to(device).eval()
