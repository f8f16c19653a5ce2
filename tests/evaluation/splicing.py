"""How well `splicing` points at what was edited, beside photoholmes' methods on the same pictures."""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from evaluation.judging import opened
from evaluation.library import Library
from evaluation.masks import Agreement, agreement, mean
from evaluation.photoholmes import baseline
from evaluation.rows import Row, row
from evaluation.sets import SETS, Labelled

NAME = "splicing"
MADE = ("made_splices", "made_copies")
COMPARED = 12
"""Pictures of a set that the others see too: they take seconds for each."""

Heat = NDArray[np.float64]


def evaluate_splicing(data: Path) -> list[Row]:
    """IoU, F1 and MCC of the masks on forgeries with known masks; what is not marked counts as 0.

    `…_beside_splicebuster` has Splicebuster's figures on the same pictures as the baseline, at the one threshold that
    suits it best, and `…_beside_noisesniffer` Noisesniffer's masks.
    """
    rows: list[Row] = []
    compared = baseline()
    with tempfile.TemporaryDirectory() as scratch, opened(NAME) as judge:
        library = Library(data, Path(scratch))
        for name in MADE:
            (wanted,) = (each for each in SETS if each.name == name)
            forged = [each for each in library.pictures(wanted) if each.truth]
            agreements = [_agreement(mask, picture) for picture, mask in zip(forged, judge.masks(forged), strict=True)]
            rows += _rows(name, agreements, None)
            if compared is not None:
                step = max(1, len(forged) // COMPARED)
                some, ours = forged[::step][:COMPARED], agreements[::step][:COMPARED]
                rows += _rows(f"{name}_beside_splicebuster", ours, best_at_one_threshold(compared.splicebuster, some))
                theirs = [agreement(compared.noisesniffer(each.path.read_bytes()), true_mask(each)) for each in some]
                rows += _rows(f"{name}_beside_noisesniffer", ours, mean(theirs))
    return rows


def best_at_one_threshold(method: Callable[[bytes], Heat], some: Sequence[Labelled]) -> Agreement:
    """The mean agreement of a method's heat maps at the threshold, the same for all, where its F1 is best."""
    heats = [method(each.path.read_bytes()) for each in some]
    masks = [true_mask(each) for each in some]
    thresholds = np.quantile(np.concatenate([heat.ravel()[::97] for heat in heats]), np.arange(0.5, 1.0, 0.02))
    return max(
        (mean([agreement(heat > each, mask) for heat, mask in zip(heats, masks, strict=True)]) for each in thresholds),
        key=lambda found: found.f1,
    )


def true_mask(picture: Labelled) -> NDArray[np.bool_]:
    """What was edited, (H, W)."""
    assert picture.mask is not None
    with Image.open(picture.mask) as image:
        return np.asarray(image.convert("L")) > 127


def _agreement(mask: NDArray[np.bool_] | None, picture: Labelled) -> Agreement:
    true = true_mask(picture)
    return agreement(np.zeros_like(true) if mask is None else mask, true)


def _rows(name: str, ours: Sequence[Agreement], theirs: Agreement | None) -> list[Row]:
    found = mean(ours)
    return [
        row(
            f"{NAME}/{name}/{figure}",
            getattr(found, figure),
            figure.upper(),
            n=len(ours),
            baseline=getattr(theirs, figure) if theirs else None,
        )
        for figure in ("iou", "f1", "mcc")
    ]
