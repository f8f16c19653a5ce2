"""Ultra-Light-Fast-Generic-Face-Detector (RFB-320) on onnxruntime, always on the CPU.

Source: Linzaer, Ultra-Light-Fast-Generic-Face-Detector-1MB, 2019, after S. Liu, D. Huang, Y. Wang, Receptive Field
Block Net for Accurate and Fast Object Detection, ECCV 2018, https://arxiv.org/abs/1711.07767.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from assay.inference.analyzers.face_manipulation.boxes import Boxes, Scores
from assay.inference.analyzers.face_manipulation.pyramid import WINDOW

_MIDDLE, _RANGE = np.float32(127.0), np.float32(128.0)


class UltraLight:
    """The detector. The network takes one window at a time: its graph fixes that."""

    def __init__(self, path: Path, threads: int) -> None:
        """threads: how many cores it may use. Raises OSError where the file is no such network."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # idle threads take nothing
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime has no class of its own for files that it cannot read
            raise OSError(f"{path} is no network that onnxruntime reads: {error}") from error
        self._input = self._session.get_inputs()[0].name

    def __call__(self, windows: Sequence[NDArray[np.uint8]], least: float) -> list[tuple[Boxes, Scores]]:
        """Faces of score `least` and more, not yet suppressed.

        windows: uint8 (240, 320, 3), RGB. Returns for each boxes (K, 4) in its pixels, and scores (K,).
        """
        return [self._look(window, least) for window in windows]

    def _look(self, window: NDArray[np.uint8], least: float) -> tuple[Boxes, Scores]:
        values = ((window.astype(np.float32) - _MIDDLE) / _RANGE).transpose(2, 0, 1)[None]
        scores, boxes = self._session.run(["scores", "boxes"], {self._input: np.ascontiguousarray(values)})
        found = scores[0, :, 1] >= least
        shares: Boxes = boxes[0][found].astype(np.float64)
        return shares * np.array([*WINDOW, *WINDOW], dtype=np.float64), scores[0, found, 1].astype(np.float64)
