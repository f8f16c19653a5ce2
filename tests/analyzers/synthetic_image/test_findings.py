"""Through the analyzer, as the engine goes: prepare, infer, explain."""

from io import BytesIO
from itertools import combinations

import numpy as np
import pytest
from analyzers.conftest import Prepare
from analyzers.synthetic_image.drawn import encoded, photo
from PIL import Image

from assay.inference.analyzers.synthetic_image import SyntheticImage, SyntheticImageSettings
from assay.inference.analyzers.synthetic_image.calibration import calibration
from assay.inference.analyzers.synthetic_image.conclusion import FEWEST, Measured, Portrait, conclude
from assay.inference.analyzers.synthetic_image.looking import JUDGED, SHOWN, PictureTooSmallError, look
from assay.inference.analyzers.synthetic_image.portrait_calibration import portrait_calibration
from assay.inference.analyzers.synthetic_image.portraits import IS_PORTRAIT
from assay.inference.analyzers.synthetic_image.whole import whole
from assay.sdk import INCONCLUSIVE, NO_FINDINGS, Finding, Media


def test_every_finding_carries_its_raw_score(analyzer: SyntheticImage, prepare: Prepare) -> None:
    views = [prepare(encoded(photo(seed), quality=92)) for seed in range(4)]
    for finding in analyzer.infer(views):
        assert 0.0 <= finding.details["raw_score"] <= 1.0
        assert (finding.score is None) == (finding.label == INCONCLUSIVE)
        assert finding.evidence


def test_a_finding_does_not_depend_on_the_batch(analyzer: SyntheticImage, prepare: Prepare) -> None:
    views = [prepare(encoded(photo(seed, 200 + 40 * seed, 300), "PNG")) for seed in range(3)]
    together = analyzer.infer(views)
    alone = [analyzer.infer([view])[0] for view in views]
    for one, other in zip(together, alone, strict=True):
        assert one.label == other.label
        assert one.details["log_odds"] == pytest.approx(other.details["log_odds"], abs=2e-3)
    assert analyzer.infer([]) == []


def test_a_turned_photo_is_judged_upright(analyzer: SyntheticImage, prepare: Prepare) -> None:
    pixels = photo(7)
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = np.ascontiguousarray(np.rot90(pixels))
    turned, upright = prepare(encoded(stored, "PNG", exif=exif)), prepare(encoded(pixels, "PNG"))
    assert turned.size == upright.size == (420, 300)
    assert np.array_equal(turned.crops, upright.crops)


def test_crops_lie_where_there_is_detail(prepare: Prepare) -> None:
    pixels = np.full((512, 512, 3), 200, np.uint8)
    pixels[300:460, 40:200] = photo(1, 160, 160)
    view = prepare(encoded(pixels, "PNG"))
    left, top = view.places[0]
    assert 0 <= left <= 72 and 268 <= top <= 332
    assert np.array_equal(view.crops[0], pixels[top : top + 128, left : left + 128])


def test_a_picture_without_detail_is_inconclusive(analyzer: SyntheticImage, prepare: Prepare) -> None:
    finding = analyzer.infer([prepare(encoded(np.full((256, 256, 3), 90, np.uint8), "PNG"))])[0]
    assert finding.label == INCONCLUSIVE
    assert finding.score is None


def test_less_than_a_crop_is_not_applicable(prepare: Prepare) -> None:
    with pytest.raises(PictureTooSmallError, match="100 x 400"):
        prepare(encoded(photo(2, 400, 100)))


def test_a_large_picture_is_cut_as_a_small_one(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "content"
    content = encoded(np.repeat(photo(3).mean(axis=2, keepdims=True).astype(np.uint8), 3, axis=2), "PNG")
    path.write_bytes(content)
    media = Media(path, "image/png", len(content), "0" * 64)
    small = look(media, 10**9)
    monkeypatch.setattr("assay.inference.analyzers.synthetic_image.looking._WHOLE_PIXELS", 1000)
    large = look(media, 10**9)
    assert large.places == small.places
    assert np.array_equal(large.crops, small.crops)


def test_the_heat_map_is_a_picture_of_the_same_shape(analyzer: SyntheticImage, prepare: Prepare) -> None:
    view = prepare(encoded(photo(5, 700, 1000), quality=90))
    assert JUDGED < len(view.crops) <= SHOWN
    (rendering,) = analyzer.explain(view, analyzer.infer([view])[0])
    with Image.open(BytesIO(rendering.data)) as image:
        assert image.format == "PNG"
        assert image.width / image.height == pytest.approx(1000 / 700, rel=0.02)


@pytest.mark.parametrize("above_the_least", [0.05, 0.8, 2.0])
def test_thresholds_part_the_labels(above_the_least: float) -> None:
    by = calibration()
    detail = by.least_detail + above_the_least
    band = by.band(detail)

    def label(log_odds: float) -> str:
        return conclude(Measured((512, 512), ((0, 0),) * FEWEST, (log_odds,) * FEWEST, detail, period=3.0)).label

    assert by.clear_to[band] < by.synthetic_from[band]
    assert label(by.synthetic_from[band] + 0.01) == "synthetic"
    assert label((by.synthetic_from[band] + by.clear_to[band]) / 2) == INCONCLUSIVE
    assert label(by.clear_to[band] - 0.01) == NO_FINDINGS


def test_what_is_too_smooth_is_never_accused() -> None:
    by = calibration()
    finding = conclude(
        Measured((512, 512), ((0, 0),), (max(by.synthetic_from) + 5,), by.least_detail - 0.1, period=3.0)
    )
    assert finding.label == INCONCLUSIVE
    assert finding.details["raw_score"] > 0.5


def test_what_looks_generated_only_before_compression_is_never_accused() -> None:
    by = calibration()
    odds = max(by.synthetic_from) + 1
    of = (512, 512), ((0, 0),) * FEWEST, (odds,) * FEWEST, by.least_detail + 1
    labels = [conclude(Measured(*of, period=3.0, saved=saved)).label for saved in (None, odds, 0.0)]
    assert labels == ["synthetic", "synthetic", INCONCLUSIVE]


def test_only_what_is_stored_without_loss_is_compressed_as_well(analyzer: SyntheticImage, prepare: Prepare) -> None:
    views = [prepare(encoded(photo(3), "PNG")), prepare(encoded(photo(3), quality=95))]
    assert [len(view.saved) for view in views] == [JUDGED, 0]
    stored, compressed = (finding.details for finding in analyzer.infer(views))
    assert compressed["saved_log_odds"] is None
    assert stored["saved_log_odds"] == pytest.approx(compressed["log_odds"], abs=0.7)


def test_what_has_few_squares_is_never_accused() -> None:
    by = calibration()
    odds = (max(by.synthetic_from) + 5,)
    few, enough = (
        conclude(Measured((200, 200), ((0, 0),) * count, odds * count, by.least_detail + 1, period=3.0))
        for count in (FEWEST - 1, FEWEST)
    )
    assert (few.label, few.score, enough.label) == (INCONCLUSIVE, None, "synthetic")


def test_an_enlarged_picture_is_inconclusive(analyzer: SyntheticImage, prepare: Prepare) -> None:
    with Image.fromarray(photo(6)) as small:
        enlarged = np.asarray(small.resize((small.width * 17 // 10, small.height * 17 // 10), Image.Resampling.BICUBIC))
    finding, of_small = analyzer.infer([prepare(encoded(enlarged, "PNG")), prepare(encoded(photo(6), "PNG"))])
    assert (finding.label, finding.score) == (INCONCLUSIVE, None)
    assert "enlarged" in finding.evidence[0].text
    assert 0.0 < finding.details["raw_score"] < 1.0
    assert "enlarged" not in of_small.evidence[0].text


def test_squares_lie_inside_of_the_borders_of_a_screenshot(prepare: Prepare) -> None:
    screen = np.full((720, 900, 3), 240, np.uint8)
    screen[101:401, 203:623] = photo(6)
    for left, top in prepare(encoded(screen, "PNG")).places:
        assert 203 <= left <= 623 - 128
        assert 101 <= top <= 401 - 128


def test_squares_overlap_by_half_at_most(prepare: Prepare) -> None:
    places = prepare(encoded(photo(4, 320, 320), "PNG")).places
    assert len(places) >= FEWEST
    for (left, top), (other_left, other_top) in combinations(places, 2):
        assert max(abs(left - other_left), abs(top - other_top)) >= 64


def test_few_photos_score_as_high_as_what_is_called_synthetic() -> None:
    by = calibration()
    assert by.p_value(max(by.synthetic_from)) <= 0.01
    assert by.p_value(by.photos[0]) > 0.99
    assert by.probability(max(by.synthetic_from)) > 0.5


def test_settings_limit_the_size(tmp_path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "content"
    path.write_bytes(encoded(photo(1)))
    analyzer = SyntheticImage(SyntheticImageSettings(max_pixels=20_000))
    with pytest.raises(Exception, match="megapixels"):
        analyzer.prepare(Media(path, "image/jpeg", 1, "0" * 64))


def _of_face(log_odds: float | None, squares: float, detail: float) -> Finding:
    portrait = Portrait(0.2 if log_odds is None else 0.9, log_odds)
    return conclude(
        Measured((300, 300), ((0, 0),) * FEWEST, (squares,) * FEWEST, detail, period=3.0, portrait=portrait)
    )


def test_a_face_accuses_and_keeps_from_clearing_but_never_clears() -> None:
    by, of_faces = calibration(), portrait_calibration()
    detail = by.least_detail + 0.8
    clear, between = by.clear_to[by.band(detail)] - 0.01, (of_faces.synthetic_from + of_faces.clear_to) / 2
    no_face, accused = _of_face(None, clear, detail), _of_face(of_faces.synthetic_from + 0.01, clear, detail)
    assert (no_face.label, accused.label) == (NO_FINDINGS, "synthetic")
    assert accused.details["raw_score"] > no_face.details["raw_score"]
    assert _of_face(between, clear, detail).label == INCONCLUSIVE
    made = by.synthetic_from[by.band(detail)] + 0.01
    innocent = _of_face(of_faces.clear_to - 5, made, detail)
    assert (innocent.label, innocent.score) == ("synthetic", _of_face(None, made, detail).score)


def test_the_heat_map_says_whether_a_face_decided(analyzer: SyntheticImage, prepare: Prepare) -> None:
    by, of_faces = calibration(), portrait_calibration()
    view, detail = prepare(encoded(photo(5))), by.least_detail + 0.8
    made = by.synthetic_from[by.band(detail)] + 0.01
    for finding, decided in (
        (_of_face(of_faces.synthetic_from + 0.01, 0.0, detail), "The face as a whole decided"),
        (_of_face(None, made, detail), "The framed parts decided"),
    ):
        (rendering,) = analyzer.explain(view, finding)
        assert finding.label == "synthetic"
        assert decided in rendering.title


def test_a_smooth_face_is_never_accused() -> None:
    detail = calibration().least_detail - 0.1
    assert _of_face(portrait_calibration().synthetic_from + 5, 0.0, detail).label == INCONCLUSIVE


def test_what_is_no_portrait_is_judged_without_the_expert(analyzer: SyntheticImage, prepare: Prepare) -> None:
    finding = analyzer.infer([prepare(encoded(photo(3), quality=92))])[0]
    assert 0.0 <= finding.details["portrait"] < IS_PORTRAIT
    assert finding.details["portrait_log_odds"] is None


@pytest.mark.parametrize(
    ("size", "seen"),
    [
        ((300, 420), (300, 420)),
        ((900, 600), (450, 300)),
        ((1300, 1024), (434, 342)),
        ((400, 500), (300, 375)),
        ((200, 300), (0, 0)),
    ],
)
def test_pictures_are_looked_at_whole_and_small(size: tuple[int, int], seen: tuple[int, int]) -> None:
    assert whole(photo(1, *size)).shape == (*seen, 3)
