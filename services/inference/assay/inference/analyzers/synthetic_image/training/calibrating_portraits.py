"""Thresholds for portraits, from those kept out of training: whole, as the analyzer sees them."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from assay.inference.analyzers.synthetic_image import portrait_calibration
from assay.inference.analyzers.synthetic_image.portrait_calibration import PortraitCalibration
from assay.inference.analyzers.synthetic_image.portraits import IS_PORTRAIT, load_portraits
from assay.inference.analyzers.synthetic_image.training.calibrating import FALSE_ALARMS, platt, upper
from assay.inference.analyzers.synthetic_image.training.measures import auc, recall_at
from assay.inference.analyzers.synthetic_image.training.portraying import PAIRS, SHRUNK, read_portraits, saved
from assay.inference.analyzers.synthetic_image.training.variants import CLEAN, VARIANTS
from assay.inference.analyzers.synthetic_image.training.viewing import decoded
from assay.inference.analyzers.synthetic_image.whole import whole

CLEARED_MADE = 0.02
"""Share of StyleGAN2's portraits that nothing may be found in."""


def calibrate_portraits(weights: Path, target: Path = portrait_calibration.PATH) -> None:
    """Score each portrait kept out, as it is and spoiled in one way, each another; write thresholds, print figures.

    Portraits of 1024 pixels are shrunk to 300 and saved at JPEG 75, as those of the other repository were.
    """
    portraits, names = load_portraits(weights, "cpu"), list(VARIANTS)
    rows: list[tuple[str, str, int, float]] = []
    passed = dict.fromkeys((source for pair in PAIRS for source in pair), 0)
    kept_out = [one for one in read_portraits(SHRUNK, SHRUNK + 1, 1) if one.held_out]
    for number, one in enumerate(kept_out):
        image = Image.fromarray(one.forms[0])
        image = saved(image, 75) if one.shrunk else image
        name = names[number % len(names)]
        for variant, pixels in ((CLEAN, np.asarray(image)), (name, decoded(VARIANTS[name](image)))):
            seen = whole(pixels)
            with torch.inference_mode():
                if seen.size and portraits.chances([seen])[0] >= IS_PORTRAIT:
                    rows.append((one.source, variant, one.synthetic, portraits.log_odds(seen)))
                    passed[one.source] += variant == CLEAN
    odds, made = np.array([row[3] for row in rows]), np.array([float(row[2]) for row in rows])
    known = np.array([row[0] != PAIRS[-1][0] for row in rows])  # it does not claim to know the first StyleGAN
    slope, intercept = platt(odds[known], made[known])
    real = odds[made < 0.5]
    # of every source by itself: real faces framed as StyleGAN2 frames them score highest
    highest = max(upper(np.array([row[3] for row in rows if row[0] == of_real]), FALSE_ALARMS) for _, of_real in PAIRS)
    fitted = PortraitCalibration(
        slope=slope,
        intercept=intercept,
        synthetic_from=highest,
        clear_to=float(np.quantile(odds[known & (made > 0.5)], CLEARED_MADE)),
        photos=tuple(round(float(value), 4) for value in np.sort(real)),
    )
    target.write_text(json.dumps(asdict(fitted), indent=None) + "\n", encoding="utf-8")
    print(f"{len(real)} rows of real portraits; slope {slope:.3f}, intercept {intercept:.3f}")
    print(f"synthetic from {fitted.synthetic_from:.3f}, clear to {fitted.clear_to:.3f}")
    for of_made, of_real in PAIRS:
        for title, variants in ((CLEAN, {CLEAN}), ("spoiled", set(names))):
            chosen = np.array([row[0] in (of_made, of_real) and row[1] in variants for row in rows])
            called = odds[chosen] >= fitted.synthetic_from
            is_made = made[chosen] > 0.5
            print(
                f"  {of_made:15} {title:8} {int(is_made.sum()):3} + {int((~is_made).sum()):3}  "
                f"AUC {auc(odds[chosen], made[chosen]):.3f}, at 1 % {recall_at(odds[chosen], made[chosen]):.3f}, "
                f"called synthetic: made {called[is_made].mean():.3f}, real {called[~is_made].mean():.3f}"
            )
    for source, count in passed.items():
        print(f"  {source:15} taken for portraits: {count} of {sum(one.source == source for one in kept_out)}")
