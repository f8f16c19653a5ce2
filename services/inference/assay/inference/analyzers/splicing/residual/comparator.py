"""A small network that tells how likely a part has another history than the rest of its picture.

Trained here on pictures made of unedited photos (`training/`), not on any camera or forgery set: a part of another
photo in place of one of its own against parts that belong. It runs in float64 on the CPU, so its results are the same
wherever the counts were made.
"""

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from assay.inference.analyzers.splicing.residual.windows import DIFFERENCES, Compared

Values = NDArray[np.float64]

_LARGEST = 8.0
_CONTEXT_GAIN = 3.0


@dataclass(frozen=True, slots=True, eq=False)
class Comparator:
    """The weights.

    traces    (DIFFERENCES, K): directions in which histories differ more than contents do, each scaled so that parts
              which belong have a variance of about 1
    usual     (DIFFERENCES,) the mean frequencies of pictures, and
    kinds     (DIFFERENCES, L) the directions in which pictures differ from it most
    weight_…  of three layers, and bias_…
    """

    traces: Values
    usual: Values
    kinds: Values
    weight_1: Values
    bias_1: Values
    weight_2: Values
    bias_2: Values
    weight_3: Values
    bias_3: Values

    @classmethod
    def read(cls, path: Path) -> "Comparator":
        """From a file that `write` made."""
        tensors = load_file(path)
        return cls(**{each.name: tensors[each.name].astype(np.float64) for each in fields(cls)})

    def write(self, path: Path) -> None:
        """Keep the weights as float32 safetensors."""
        save_file(
            {each.name: np.ascontiguousarray(getattr(self, each.name), np.float32) for each in fields(self)}, path
        )

    def log_odds(self, compared: Compared) -> Values:
        """Log-odds (N,) that each part has another history than the rest, at even odds and before calibration."""
        first = _gated(self.inputs(compared) @ self.weight_1 + self.bias_1)
        second = _gated(first @ self.weight_2 + self.bias_2)
        result: Values = (second @ self.weight_3 + self.bias_3)[:, 0]
        return result

    def inputs(self, compared: Compared) -> Values:
        """What the first layer sees."""
        return inputs(compared, self.traces, self.usual, self.kinds)


def inputs(compared: Compared, traces: Values, usual: Values, kinds: Values) -> Values:
    """(N, 3 K + L + 7): differences along the traces, their size twice, and the context."""
    along = compared.differences @ traces
    own = (compared.context[:, :DIFFERENCES] - usual) @ kinds
    sizes = np.minimum(np.abs(along), _LARGEST)
    return np.concatenate(
        [along, sizes, np.log1p(along**2), own, _CONTEXT_GAIN * compared.context[:, DIFFERENCES:]], axis=1
    )


def _gated(values: Values) -> Values:
    """X times its logistic function (SiLU)."""
    gated: Values = values / (1.0 + np.exp(-np.clip(values, -60.0, 60.0)))
    return gated
