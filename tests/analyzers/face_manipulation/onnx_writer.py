"""Writes small ONNX files, field by field of the protobuf schema (onnx.proto3), so that no package for it is needed."""

import struct
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

FLOAT, INT64 = 1, 7


def _varint(value: int) -> bytes:
    out = bytearray()
    value &= (1 << 64) - 1
    while True:
        out.append((value & 127) | (128 if value > 127 else 0))
        value >>= 7
        if not value:
            return bytes(out)


def _field(number: int, value: int | bytes | str | float) -> bytes:
    if isinstance(value, float):
        return _varint(number << 3 | 5) + struct.pack("<f", value)
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    data = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def tensor(name: str, values: NDArray[np.float32] | NDArray[np.int64]) -> bytes:
    """A TensorProto: an initialiser of a graph."""
    kind = FLOAT if values.dtype == np.float32 else INT64
    return (
        b"".join(_field(1, size) for size in values.shape)
        + _field(2, kind)
        + _field(8, name)
        + _field(9, values.tobytes())
    )


def node(kind: str, inputs: Sequence[str], output: str, **attributes: int | Sequence[int]) -> bytes:
    """A NodeProto with whole numbers as attributes."""
    out = b"".join(_field(1, each) for each in inputs) + _field(2, output) + _field(4, kind)
    for name, value in attributes.items():
        if isinstance(value, int):
            out += _field(5, _field(1, name) + _field(3, value) + _field(20, 2))
        else:
            out += _field(5, _field(1, name) + b"".join(_field(8, each) for each in value) + _field(20, 7))
    return out


def model(
    nodes: Sequence[bytes],
    tensors: Sequence[bytes],
    inputs: dict[str, tuple[int, ...]],
    outputs: dict[str, tuple[int, ...]],
) -> bytes:
    """A ModelProto of operator set 13; inputs and outputs are floats."""
    graph = b"".join(_field(1, each) for each in nodes) + _field(2, "graph")
    graph += b"".join(_field(5, each) for each in tensors)
    graph += b"".join(_field(11, _value(name, shape)) for name, shape in inputs.items())
    graph += b"".join(_field(12, _value(name, shape)) for name, shape in outputs.items())
    return _field(1, 8) + _field(7, graph) + _field(8, _field(1, "") + _field(2, 13))


def _value(name: str, shape: tuple[int, ...]) -> bytes:
    dimensions = b"".join(_field(1, _field(1, size)) for size in shape)
    return _field(1, name) + _field(2, _field(1, _field(1, FLOAT) + _field(2, dimensions)))
