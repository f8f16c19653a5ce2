"""A network in ONNX that stands in for RivaGAN's decoder: of its form, small, and with an answer that can be foreseen.

ONNX is a Protocol Buffers message; only the few fields that are needed are written. Field numbers: onnx.proto, IR 8.
"""

import struct

LENGTH = 32


def decoder(bits_of_blue: str) -> bytes:
    """Reads `bits_of_blue` where the frame's first colour (blue) is bright, the opposite where it is dark."""
    signs = [1.0 if bit == "1" else -1.0 for bit in bits_of_blue]
    weights = signs + [0.0] * (2 * LENGTH)
    graph = (
        _bytes(1, _node("ReduceMean", ["frame"], ["mean"], axes=[2, 3, 4]))
        + _bytes(1, _node("MatMul", ["mean", "weights"], ["signed"]))
        + _bytes(1, _node("Add", ["signed", "half"], ["output"]))
        + _bytes(2, b"graph")
        + _bytes(5, _tensor("weights", [3, LENGTH], weights))
        + _bytes(5, _tensor("half", [LENGTH], [0.5] * LENGTH))
        + _bytes(11, _value("frame", ["n", 3, 1, "h", "w"]))
        + _bytes(12, _value("output", ["n", LENGTH]))
    )
    return _int(1, 8) + _bytes(7, graph) + _bytes(8, _bytes(1, b"") + _int(2, 13))


def _node(kind: str, inputs: list[str], outputs: list[str], axes: list[int] | None = None) -> bytes:
    body = b"".join(_bytes(1, name.encode()) for name in inputs) + b"".join(_bytes(2, n.encode()) for n in outputs)
    body += _bytes(4, kind.encode())
    if axes:
        body += _bytes(5, _bytes(1, b"axes") + b"".join(_int(8, axis) for axis in axes) + _int(20, 7))
        body += _bytes(5, _bytes(1, b"keepdims") + _int(3, 0) + _int(20, 2))
    return body


def _tensor(name: str, shape: list[int], values: list[float]) -> bytes:
    raw = struct.pack(f"<{len(values)}f", *values)
    return b"".join(_int(1, side) for side in shape) + _int(2, 1) + _bytes(8, name.encode()) + _bytes(9, raw)


def _value(name: str, shape: list[int | str]) -> bytes:
    sides = (_bytes(2, s.encode()) if isinstance(s, str) else _int(1, s) for s in shape)
    tensor = _int(1, 1) + _bytes(2, b"".join(_bytes(1, side) for side in sides))
    return _bytes(1, name.encode()) + _bytes(2, _bytes(1, tensor))


def _int(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _bytes(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
