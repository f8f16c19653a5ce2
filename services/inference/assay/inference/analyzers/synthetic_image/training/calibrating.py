"""Calibration on whole pictures, as the analyzer sees them, from sources that were never trained on."""

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import asdict
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from assay.inference.analyzers.synthetic_image import calibration
from assay.inference.analyzers.synthetic_image.calibration import Calibration
from assay.inference.analyzers.synthetic_image.judging import Judge, measured
from assay.inference.analyzers.synthetic_image.looking import JUDGED
from assay.inference.analyzers.synthetic_image.training import repositories
from assay.inference.analyzers.synthetic_image.training.listing import first_of_each, read_list
from assay.inference.analyzers.synthetic_image.training.measures import auc, recall_at
from assay.inference.analyzers.synthetic_image.training.variants import CLEAN, VARIANTS
from assay.inference.analyzers.synthetic_image.training.viewing import view_of
from assay.inference.pictures import ENLARGED_FROM
from assay.sdk import AnalyzerError

FALSE_ALARMS = 0.007
"""Share of real photos of the calibration above which pictures are called synthetic: room below the 1 % promised."""
CLEAR = 0.25
"""Share of real photos that nothing is found in."""
_BANDS = 3
_LEAST_DETAIL_SHARE = 0.01
_LARGEST = 2600
_MOST = 120
"""Pictures of a source at most: decoding is what costs."""


def measure(weights: Path, table: Path, split: str = "calibrate") -> None:
    """Score every picture of a split as it is, and spoiled in one way, each another: rows for `calibrate`."""
    judge = Judge(weights, "cpu")
    with table.open("w", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(("source", "synthetic", "variant", "log_odds", "detail", "period", "accusing"))
        for name, synthetic, variant, content in _contents(split):
            try:
                view = view_of(content)
            except AnalyzerError:
                continue
            if len(view.crops):
                found = measured(view, judge.log_odds(view.crops[:JUDGED]), judge.log_odds(view.saved))
                numbers = (np.mean(found.log_odds), found.detail, found.period, found.accusing)
                rows.writerow((name, synthetic, variant, *(f"{number:.4f}" for number in numbers)))


def calibrate(table: Path, target: Path = calibration.PATH) -> None:
    """Fit the curve and the thresholds to the table of `measure`, write them, print what they do.

    Enlarged pictures are left out: the analyzer says nothing of them.
    """
    with table.open(newline="") as stream:
        every = list(csv.DictReader(stream))
    rows = [row for row in every if float(row["period"]) < ENLARGED_FROM]
    print(f"{len(every) - len(rows)} of {len(every)} rows are of enlarged pictures")
    odds = np.array([float(row["log_odds"]) for row in rows])
    accusing = np.array([float(row["accusing"]) for row in rows])
    made = np.array([float(row["synthetic"]) for row in rows])
    detail = np.array([float(row["detail"]) for row in rows])
    real = made < 0.5
    slope, intercept = platt(odds, made)
    bands = [float(value) for value in np.quantile(detail[real], np.arange(1, _BANDS) / _BANDS)]
    band = np.searchsorted(bands, detail)
    lowest = upper(accusing[real], FALSE_ALARMS)  # a band of few photos may be lucky
    fitted = Calibration(
        slope=slope,
        intercept=intercept,
        synthetic_from=tuple(
            max(lowest, upper(accusing[real & (band == index)], FALSE_ALARMS)) for index in range(_BANDS)
        ),
        clear_to=tuple(float(np.quantile(odds[real & (band == index)], CLEAR)) for index in range(_BANDS)),
        bands=tuple(bands),
        least_detail=float(np.quantile(detail[real], _LEAST_DETAIL_SHARE)),
        photos=tuple(float(value) for value in np.sort(odds[real])),
    )
    target.write_text(json.dumps(asdict(fitted), indent=None) + "\n", encoding="utf-8")
    print(f"{int(real.sum())} real and {int(made.sum())} made rows; slope {slope:.3f}, intercept {intercept:.3f}")
    print(f"synthetic from {fitted.synthetic_from}, clear to {fitted.clear_to}, bands {fitted.bands}")
    called, cleared = accusing >= np.array(fitted.synthetic_from)[band], odds <= np.array(fitted.clear_to)[band]
    for variant in (CLEAN, *VARIANTS):
        of_it = np.array([row["variant"] == variant for row in rows])
        found = f"AUC {auc(odds[of_it], made[of_it]):.3f}, at 1 % {recall_at(odds[of_it], made[of_it]):.3f}"
        told = ", ".join(
            f"{name}: called synthetic {called[which].mean():.3f}, nothing found {cleared[which].mean():.3f}"
            for name, which in (("real", of_it & real), ("made", of_it & ~real))
        )
        print(f"  {variant:10} n {int(of_it.sum()):5}  {found}  {told}")
    for name in sorted({row["source"] for row in rows}):
        of_it = np.array([row["source"] == name and row["variant"] == CLEAN for row in rows])
        against = of_it | (np.array([row["variant"] == CLEAN for row in rows]) & (made != made[of_it][0]))
        print(
            f"  {name:16} n {int(of_it.sum()):4}  AUC against the other class {auc(odds[against], made[against]):.3f}"
        )


def platt(odds: NDArray[np.float64], made: NDArray[np.float64]) -> tuple[float, float]:
    """Slope and intercept of the logistic curve, both classes of equal weight. Source: Platt, 1999."""
    weight = np.where(made > 0.5, 0.5 / made.sum(), 0.5 / (1 - made).sum())
    slope, intercept = 1.0, 0.0
    inputs = np.stack((odds, np.ones_like(odds)), 1)
    for _ in range(50):
        chance = 1 / (1 + np.exp(-(slope * odds + intercept)))
        gradient = inputs.T @ (weight * (chance - made))
        curvature = (inputs * (weight * chance * (1 - chance))[:, None]).T @ inputs + 1e-9 * np.eye(2)
        step = np.linalg.solve(curvature, gradient)
        slope, intercept = slope - float(step[0]), intercept - float(step[1])
    return slope, intercept


def upper(scores: NDArray[np.float64], share: float) -> float:
    """A score that at most this share exceeds, counted conformally: never below the highest but `share` (n + 1)."""
    ordered = np.sort(scores)
    above = int(share * (len(ordered) + 1))
    return float(ordered[-above - 1] + 1e-4) if above < len(ordered) else float(ordered[-1])


def _contents(split: str) -> Iterator[tuple[str, int, str, bytes]]:
    listed = first_of_each([one for one in read_list() if one.split == split], _MOST)
    names = list(VARIANTS)
    number = 0
    for repository, ones in groupby(listed, key=lambda one: one.repository):
        with repositories.open_blobs(repository.replace("/", "+")) as blobs:
            for one in ones:
                content = blobs.read(one.blob)
                yield one.source, one.synthetic, CLEAN, content
                name = names[number % len(names)]
                number += 1
                with Image.open(io.BytesIO(content)) as opened:
                    opened.draft("RGB", (_LARGEST, _LARGEST))
                    image = ImageOps.exif_transpose(opened).convert("RGB")
                yield one.source, one.synthetic, name, VARIANTS[name](image)
