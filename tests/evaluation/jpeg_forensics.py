"""How often `jpeg-forensics` raises a false alarm, what it finds, and how well it points."""

import hashlib
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from assay.inference.analyzers.jpeg_forensics import JpegForensics, JpegForensicsSettings
from assay.inference.analyzers.jpeg_forensics.dct import BLOCK
from assay.inference.analyzers.jpeg_forensics.decoding import Picture
from assay.inference.analyzers.jpeg_forensics.examination import examine
from assay.inference.analyzers.jpeg_forensics.heatmap import suspect
from assay.inference.analyzers.jpeg_forensics.votes import grid_votes
from assay.sdk import Finding, Media
from evaluation import pictures, sets
from evaluation.masks import Agreement, agreement, area_under_curve, mean
from evaluation.photoholmes import Baseline, baseline
from evaluation.rows import Row, row, share

_FALSE_ALARMS_AIM = 0.01
_SPLICES_PER_SET = 40
_DQ_COMPARED = 40
_ZERO_COMPARED = 10  # the baseline takes half a minute for some of them
_ZERO_LARGEST = 160_000  # pixels
_THRESHOLDS = np.arange(0.05, 1.0, 0.05)


class Judge:
    """The analyzer as the engine runs it, on bytes."""

    def __init__(self, folder: Path) -> None:
        self._analyzer = JpegForensics(JpegForensicsSettings())
        self._analyzer.load("cuda" if torch.cuda.is_available() else "cpu")
        self._path = folder / "content"

    def prepare(self, content: bytes) -> Picture:
        self._path.write_bytes(content)
        return self._analyzer.prepare(
            Media(self._path, "application/octet-stream", len(content), hashlib.sha256(content).hexdigest())
        )

    def judge(self, contents: Iterable[bytes]) -> list[Finding]:
        return self._analyzer.infer([self.prepare(content) for content in contents])


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """A splice and what was said of it."""

    splice: pictures.Splice
    finding: Finding


def evaluate_jpeg_forensics(data: Path) -> list[Row]:
    """Rows of the evaluation table, from the data root (the folder with `images/`).

    Raises DataMissingError where a set is missing.
    """
    with tempfile.TemporaryDirectory() as folder:
        judge = Judge(Path(folder))
        alarms, unedited_scores = _false_alarms(data, judge)
        found = [
            Found(splice, judge.judge([splice.content])[0])
            for splice in _splices(data, lossless=False) + _splices(data, lossless=True)
        ]
        compared = baseline()
        return [
            *alarms,
            *_detection(found, unedited_scores),
            *_localisation(found, judge, compared),
            *_comparison_with_zero(data, judge, compared),
        ]


def _raw(finding: Finding) -> float:
    return float(finding.details["raw_score"])


def _false_alarms(data: Path, judge: Judge) -> tuple[list[Row], list[float]]:
    """Every real photo, saved again at each quality in one of four ways by turns."""
    rows, scores = [], []
    total: Counter[str] = Counter()
    hits: Counter[str] = Counter()
    for name, source in sets.REAL.items():
        kind = name.split("/")[1]
        for index, photo in enumerate(pictures.photos(sets.folder(data, name, source))):
            for turn, quality in enumerate(pictures.QUALITIES):
                way = pictures.WAYS[(index + turn) % len(pictures.WAYS)]
                finding = judge.judge([pictures.unedited(photo, way, quality)])[0]
                scores.append(_raw(finding))
                for key in (f"{kind} q{quality}", f"saved {way}", f"{kind}", "all"):
                    total[key] += 1
                    hits[key] += finding.label == "manipulated"
    for key in sorted(total, key=lambda key: (key != "all", key)):
        name = "resaved" if key == "all" else f"resaved_{key.replace(' ', '_')}"
        rows.append(share(f"jpeg-forensics/{name}/false_alarms", hits[key], total[key], aim=_FALSE_ALARMS_AIM))
    return rows, scores


def _splices(data: Path, *, lossless: bool) -> list[pictures.Splice]:
    made = []
    for name, source in sets.REAL.items():
        hosts = list(islice(pictures.photos(sets.folder(data, name, source)), _SPLICES_PER_SET))
        for index, host in enumerate(hosts):
            made.append(pictures.splice(host, hosts[(index + 1) % len(hosts)], lossless=lossless))
    return made


_KINDS: dict[str, Callable[[pictures.Splice], bool]] = {
    "splices_saved_higher": lambda splice: splice.saved > splice.host,
    "splices_saved_no_higher": lambda splice: 0 < splice.saved <= splice.host,
    "splices_png": lambda splice: splice.saved == 0,
}


def _detection(found: Sequence[Found], unedited_scores: Sequence[float]) -> list[Row]:
    rows = []
    for kind, belongs in _KINDS.items():
        some = [entry.finding for entry in found if belongs(entry.splice)]
        hits = sum(finding.label == "manipulated" for finding in some)
        rows.append(share(f"jpeg-forensics/{kind}/recall", hits, len(some)))
        area = area_under_curve(unedited_scores, [_raw(finding) for finding in some])
        rows.append(row(f"jpeg-forensics/{kind}/auc", area, "area", n=len(some) + len(unedited_scores)))
    return rows


def _mask(judge: Judge, content: bytes) -> NDArray[np.bool_]:
    """What the heat map marks, in pixels."""
    picture = judge.prepare(content)
    examination = examine([picture], torch.device("cpu"))[0]
    blocks = suspect(picture, examination).repeat(BLOCK, 0).repeat(BLOCK, 1)
    height, width = picture.luma.shape
    left, top = examination.double_grid
    part = blocks[: height - top, : width - left]
    mask = np.zeros((height, width), dtype=np.bool_)
    mask[top : top + len(part), left : left + part.shape[1]] = part
    return mask


def _localisation(found: Sequence[Found], judge: Judge, compared: Baseline | None) -> list[Row]:
    """Agreement with the true masks; what was not found counts as 0.

    The baseline is photoholmes' dq on the same pictures, at the one threshold that suits it best.
    """
    rows = []
    kinds = list(_KINDS.items())
    for kind, belongs in (kinds[0], kinds[2]):
        some = [entry.splice for entry in found if belongs(entry.splice)]
        some = some[:: max(1, len(some) // _DQ_COMPARED)][:_DQ_COMPARED]
        ours = mean([agreement(_mask(judge, splice.content), splice.mask) for splice in some])
        theirs = _best_dq(compared, some) if compared and some[0].saved else None
        rows += _agreement_rows(f"{kind}_beside_dq" if theirs else kind, ours, theirs, len(some))
    return rows


def _best_dq(compared: Baseline, splices: Sequence[pictures.Splice]) -> Agreement:
    heats = [compared.dq(splice.content) for splice in splices]
    at_each = [
        mean([agreement(heat > threshold, splice.mask) for heat, splice in zip(heats, splices, strict=True)])
        for threshold in _THRESHOLDS
    ]
    return max(at_each, key=lambda found: found.f1)


def _comparison_with_zero(data: Path, judge: Judge, compared: Baseline | None) -> list[Row]:
    """Votes and masks of photoholmes' zero, on lossless splices small enough for it."""
    if compared is None:
        return []
    small = [splice for splice in _splices(data, lossless=True) if splice.mask.size <= _ZERO_LARGEST]
    small = small[:: max(1, len(small) // _ZERO_COMPARED)][:_ZERO_COMPARED]
    ours, theirs, same, pixels = [], [], 0, 0
    for splice in small:
        mask, votes = compared.zero(splice.content)
        own_votes = grid_votes(torch.tensor(judge.prepare(splice.content).luma)[None])[0].numpy()
        same += int((own_votes == votes).sum())
        pixels += votes.size
        theirs.append(agreement(mask, splice.mask))
        ours.append(agreement(_mask(judge, splice.content), splice.mask))
    # They differ where a coefficient is exactly 0.5, which is common and which rounding there puts on either side.
    return [
        share("jpeg-forensics/splices_png_beside_zero/equal_votes", same, pixels),
        *_agreement_rows("splices_png_beside_zero", mean(ours), mean(theirs), len(small)),
    ]


def _agreement_rows(what: str, ours: Agreement, theirs: Agreement | None, n: int) -> list[Row]:
    return [
        row(
            f"jpeg-forensics/{what}/{figure}",
            getattr(ours, figure),
            figure.upper(),
            n=n,
            baseline=getattr(theirs, figure) if theirs else None,
        )
        for figure in ("iou", "f1", "mcc")
    ]
