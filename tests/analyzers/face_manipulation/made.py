"""Weights of the right shapes, made of a seed, and pictures in which they find faces.

The detectors are made to work on drawings: UltraLight's stand-in answers to red squares (a small ONNX graph that
compares the red inside a square with that around it), and BlazeFace sees a face wherever it looks. The networks that
judge are random.
"""

import hashlib
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from analyzers.face_manipulation import onnx_writer as onnx
from numpy.typing import NDArray
from PIL import Image

from assay.inference.analyzers.face_manipulation import FaceManipulation, weights
from assay.inference.analyzers.face_manipulation.blazeface import BlazeFace
from assay.inference.analyzers.face_manipulation.classnseg import Decoder, Encoder
from assay.sdk import NoSettings, Weights

Pixels = NDArray[np.uint8]

MESO4 = ((3, 3, 3, 8), (5, 5, 8, 8), (5, 5, 8, 16), (5, 5, 16, 16))
"""Keras' kernels, (height, width, in, out), in the order in which its authors made the layers."""

INCEPTION = (
    *((1, 1, 3, 1), (1, 1, 3, 4), (3, 3, 4, 4), (1, 1, 3, 4), (3, 3, 4, 4), (1, 1, 3, 2), (3, 3, 2, 2)),
    *((1, 1, 11, 2), (1, 1, 11, 4), (3, 3, 4, 4), (1, 1, 11, 4), (3, 3, 4, 4), (1, 1, 11, 2), (3, 3, 2, 2)),
    *((5, 5, 12, 16), (5, 5, 16, 16)),
)

_DENSE = ((1024, 16), (16, 1))
_CELL, _STEP = 4, 2  # pixels of a cell of the made detector, and cells between two places that it looks at
_TEMPLATES = ((5, 2), (8, 2), (16, 4), (30, 7))  # cells: side of the red square, and what is compared around it


def made_analyzer(folder: Path, *, accusing: bool = False) -> FaceManipulation:
    """The analyzer with made weights, which its manifest declares. Not loaded. accusing: of `made_weights`."""
    analyzer = FaceManipulation(NoSettings())
    analyzer.weights = dict(made_weights(folder, accusing=accusing))
    declared = tuple(_declared(name, path) for name, path in analyzer.weights.items())
    analyzer.manifest = analyzer.manifest.model_copy(update={"weights": declared})  # type: ignore[misc]
    return analyzer


@cache
def made_weights(folder: Path, *, accusing: bool = False) -> dict[str, Path]:
    """Write all files, and return them by name. accusing: the MesoNets take every face for a fake."""
    chance = np.random.default_rng(7)
    torch.manual_seed(7)
    paths = {each.name: folder / each.name for each in weights.FILES}
    for name in weights.MESONETS:
        layers = keras_file(paths[name], INCEPTION if "Inception" in name else MESO4, chance)
        if accusing:
            with h5py.File(paths[name], "r+") as file:
                file["dense_6/dense_6/bias:0"][...] = layers["dense"][1]["bias"] - 30.0
    for name in weights.ENCODERS:
        torch.save(Encoder().state_dict(), paths[name])
    torch.save(Decoder().state_dict(), paths[weights.DECODER])
    torch.save(_everywhere_a_face(), paths[weights.BLAZEFACE])
    np.save(paths[weights.ANCHORS], _anchors())
    paths[weights.ULTRALIGHT].write_bytes(_red_squares())
    return paths


def keras_file(
    path: Path, kernels: tuple[tuple[int, ...], ...], chance: np.random.Generator, first: int = 5
) -> dict[str, list[dict[str, Any]]]:
    """Write random weights as Keras does. Layers are numbered from `first`, and HDF5 lists 10 before 9.

    Returns the arrays by kind, in the order of the layers.
    """
    channels = [kernel[3] for kernel in kernels] if len(kernels) == 4 else [11, 12, 16, 16]
    layers: dict[str, list[dict[str, Any]]] = {
        "conv2d": [{"kernel": _some(chance, *kernel), "bias": _some(chance, kernel[3])} for kernel in kernels],
        "batch_normalization": [
            {
                "gamma": 1 + _some(chance, width),
                "beta": _some(chance, width),
                "moving_mean": _some(chance, width),
                "moving_variance": 1 + abs(_some(chance, width)),
            }
            for width in channels
        ],
        "dense": [{"kernel": _some(chance, *shape), "bias": _some(chance, shape[1])} for shape in _DENSE],
    }
    with h5py.File(path, "w") as file:
        for kind, some in layers.items():
            for number, arrays in enumerate(some, start=first):
                for name, values in arrays.items():
                    file[f"{kind}_{number}/{kind}_{number}/{name}:0"] = values
    return layers


def photo(seed: int, width: int = 320, height: int = 240) -> Pixels:
    """Smooth gray light with some grain: nothing in it is red."""
    chance = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    light = 128 + 40 * np.sin(x / 37 + seed) + 30 * np.cos(y / 29)
    return np.clip(light[..., None] + chance.normal(0, 4, (height, width, 3)), 0, 255).astype(np.uint8)


def with_face(pixels: Pixels, x: int, y: int, side: int, seed: int = 0) -> Pixels:
    """A red square with some grain: what the made detectors take for a face."""
    chance = np.random.default_rng(seed)
    red = np.array([215, 60, 60]) + chance.normal(0, 12, (side, side, 3))
    changed = pixels.copy()
    changed[y : y + side, x : x + side] = np.clip(red, 0, 255)
    return changed


def png(pixels: Pixels) -> bytes:
    output = BytesIO()
    Image.fromarray(pixels).save(output, "PNG", compress_level=1)
    return output.getvalue()


def _declared(name: str, path: Path) -> Weights:
    content = path.read_bytes()
    sha256 = hashlib.sha256(content).hexdigest()
    return Weights(name=name, sha256=sha256, size=len(content), source="made of a seed", licence="Apache-2.0")


def _some(chance: np.random.Generator, *shape: int) -> NDArray[np.float32]:
    spread = 1.0 / np.sqrt(np.prod(shape[:-1])) if len(shape) > 1 else 0.1
    return chance.normal(0.0, spread, shape).astype(np.float32)


def _everywhere_a_face() -> dict[str, torch.Tensor]:
    """BlazeFace with no opinion: every anchor has a face half as wide as what it looks at."""
    state = {name: torch.zeros_like(values) for name, values in BlazeFace().state_dict().items()}
    for stage in (8, 16):
        state[f"classifier_{stage}.bias"] += 5.0
        state[f"regressor_{stage}.bias"].view(-1, 16)[:, 2:4] = 64.0
    return state


def _anchors() -> NDArray[np.float32]:
    rows = []
    for cells, each in ((16, 2), (8, 6)):
        middles = (np.arange(cells) + 0.5) / cells
        grid = np.stack(np.meshgrid(middles, middles), -1).reshape(-1, 2).repeat(each, 0)
        rows.append(np.concatenate([grid, np.ones_like(grid)], 1))
    return np.concatenate(rows).astype(np.float32)


def _red_squares() -> bytes:
    """A detector: where is the inside of a square redder than what is around it? It looks at cells of 4 by 4 pixels."""
    red = np.array([1.0, -0.5, -0.5], np.float32).reshape(1, 3, 1, 1)
    nodes = [
        onnx.node("Conv", ("input", "red"), "redness", kernel_shape=(1, 1)),
        onnx.node("AveragePool", ("redness",), "cells", kernel_shape=(_CELL, _CELL), strides=(_CELL, _CELL)),
    ]
    tensors = [
        onnx.tensor("red", red),
        onnx.tensor("rows", np.array([1, -1, 1], np.int64)),
        onnx.tensor("axes", np.array([2, 3], np.int64)),
        onnx.tensor("gain", np.array([20.0], np.float32)),
        onnx.tensor("limit", np.array([-14.5], np.float32)),
    ]
    boxes = []
    for side, edge in _TEMPLATES:
        whole = side + 2 * edge
        steps = {"strides": (_STEP, _STEP)}
        name = f"of{side}"
        tensors += [
            onnx.tensor(f"start{side}", np.array([edge, edge], np.int64)),
            onnx.tensor(f"end{side}", np.array([-edge, -edge], np.int64)),
            onnx.tensor(f"times{side}", np.array([whole**2 / (whole**2 - side**2)], np.float32)),
        ]
        nodes += [
            onnx.node("Slice", ("cells", f"start{side}", f"end{side}", "axes"), f"middle{side}"),
            onnx.node("AveragePool", (f"middle{side}",), f"inside{side}", kernel_shape=(side, side), **steps),
            onnx.node("AveragePool", ("cells",), f"whole{side}", kernel_shape=(whole, whole), **steps),
            onnx.node("Sub", (f"inside{side}", f"whole{side}"), f"more{side}"),
            onnx.node("Mul", (f"more{side}", f"times{side}"), f"redder{side}"),
            onnx.node("Reshape", (f"redder{side}", "rows"), name),
        ]
        tops, lefts = (np.arange(0, length - whole + 1, _STEP) + edge for length in (240 // _CELL, 320 // _CELL))
        top, left = (grid.reshape(-1) * _CELL for grid in np.meshgrid(tops, lefts, indexing="ij"))
        size = side * _CELL
        boxes.append(np.stack([left / 320, top / 240, (left + size) / 320, (top + size) / 240], 1))
    nodes += [
        onnx.node("Concat", [f"of{side}" for side, _ in _TEMPLATES], "all", axis=1),
        onnx.node("Mul", ("all", "gain"), "scaled"),
        onnx.node("Add", ("scaled", "limit"), "logits"),
        onnx.node("Sigmoid", ("logits",), "sure"),
        onnx.node("Concat", ("sure", "sure"), "scores", axis=2),
        onnx.node("Identity", ("table",), "boxes"),
    ]
    table = np.concatenate(boxes)[None].astype(np.float32)
    shapes = {"scores": (1, table.shape[1], 2), "boxes": table.shape}
    return onnx.model(nodes, [*tensors, onnx.tensor("table", table)], {"input": (1, 3, 240, 320)}, shapes)
