"""From bytes to findings and drawings, with made weights."""

import json
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from analyzers.conftest import Judge, Prepare
from analyzers.face_manipulation.made import made_analyzer, photo, png, with_face
from PIL import Image

from assay.inference.analyzers.face_manipulation import FaceManipulation
from assay.inference.analyzers.face_manipulation.detection import Face
from assay.inference.analyzers.face_manipulation.fusion import MANIPULATED_FROM, of_several
from assay.inference.analyzers.face_manipulation.picture import MOST_PIXELS
from assay.sdk import Finding, MediaUnreadableError, NotApplicableError
from assay.sdk.torch import gradients_off

ONE = with_face(photo(1), 100, 60, 96)


@pytest.fixture(scope="module")
def accusing(tmp_path_factory: pytest.TempPathFactory) -> FaceManipulation:
    """Its MesoNets take every face for a fake."""
    analyzer = made_analyzer(tmp_path_factory.mktemp("accusing"), accusing=True)
    with gradients_off():
        analyzer.load("cpu")
    return analyzer


def boxes(finding: Finding) -> list[tuple[int, int, int, int]]:
    return [tuple(face["box"]) for face in finding.details["faces"]]


def shared(one: tuple[int, int, int, int], other: tuple[int, int, int, int]) -> float:
    """Overlap of two boxes of x, y, width, height."""
    wide = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    tall = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    both = max(wide, 0) * max(tall, 0)
    return both / (one[2] * one[3] + other[2] * other[3] - both)


def test_a_face_is_found_judged_and_told(judge: Judge) -> None:
    finding = judge(png(ONE))
    assert finding.label == "inconclusive"
    assert finding.score is None
    (face,) = finding.details["faces"]
    assert shared(tuple(face["box"]), (100, 60, 96, 96)) > 0.7
    assert len(face["networks"]) == 6
    assert face["score"] == finding.details["raw_score"]
    assert 0.25 < face["score"] < MANIPULATED_FROM
    assert finding.evidence[0].where == {"box": face["box"]}
    assert "2018" in finding.evidence[1].text
    json.dumps(finding.details, allow_nan=False)


def test_faces_that_the_networks_accuse_are_called_manipulated(accusing: FaceManipulation, prepare: Prepare) -> None:
    with gradients_off():
        (finding,) = accusing.infer([prepare(png(ONE))])
    assert finding.label == "manipulated"
    assert finding.score is not None and finding.score >= MANIPULATED_FROM
    assert finding.score == finding.details["raw_score"]
    assert finding.evidence[0].text.startswith("The face looks swapped or re-enacted")
    assert finding.evidence[0].weight > 2.0


def test_several_faces_are_each_listed_and_weighed_together(judge: Judge) -> None:
    finding = judge(png(with_face(with_face(photo(2, 640, 480), 64, 96, 128), 400, 256, 128, seed=1)))
    found = boxes(finding)
    assert len(found) == 2 == finding.details["judged"]
    for placed in ((64, 96, 128, 128), (400, 256, 128, 128)):
        assert max(shared(placed, box) for box in found) > 0.6
    scores = [face["score"] for face in finding.details["faces"]]
    assert scores == sorted(scores, reverse=True)
    assert finding.details["raw_score"] == pytest.approx(of_several(scores), abs=1e-3)
    assert finding.evidence[0].where == {"box": list(found[0])}
    assert "2 faces" in finding.evidence[0].text


def test_boxes_are_those_of_the_upright_picture(judge: Judge) -> None:
    """The same picture, stored on its side with the EXIF orientation that puts it right."""
    turned, exif = BytesIO(), Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.rot90(ONE).copy()).save(turned, "PNG", exif=exif)
    assert boxes(judge(turned.getvalue())) == boxes(judge(png(ONE)))


def test_boxes_are_in_pixels_of_the_file_when_it_is_examined_smaller(prepare: Prepare, judge: Judge) -> None:
    wide = np.repeat(np.repeat(photo(3, 600, 400), 9, 0), 9, 1)
    content = png(with_face(wide, 2700, 900, 1200))
    prepared = prepare(content)
    height, width = prepared.pixels.shape[:2]
    assert MOST_PIXELS * 0.99 < width * height <= MOST_PIXELS
    assert prepared.scale == pytest.approx(width / 5400)
    (face,) = judge(content).details["faces"]
    assert shared(tuple(face["box"]), (2700, 900, 1200, 1200)) > 0.6


def test_small_faces_are_told_and_not_judged(judge: Judge) -> None:
    finding = judge(png(with_face(photo(4, 640, 480), 300, 200, 48)))
    assert finding.label == "inconclusive"
    assert finding.details["judged"] == 0
    assert "raw_score" not in finding.details
    assert finding.evidence[0].text.startswith("No face in the picture can be judged: each is under 64 pixels")
    assert shared(boxes(finding)[0], (300, 200, 48, 48)) > 0.5


@pytest.mark.parametrize(
    ("side", "ultralight", "blazeface", "judged"),
    [(64, 0.99, 0.99, True), (63, 1.0, 1.0, False), (300, 0.985, 1.0, False), (300, 1.0, 0.985, False)],
)
def test_faces_are_judged_where_both_detectors_are_sure(
    side: int, ultralight: float, blazeface: float, judged: bool
) -> None:
    assert Face((10.0, 20.0, 10.0 + side, 20.0 + side), ultralight, blazeface).is_judged is judged


def test_a_picture_without_a_face_is_not_applicable_and_spoils_no_batch(
    analyzer: FaceManipulation, judge: Judge, prepare: Prepare
) -> None:
    """The engine asks again for each picture alone."""
    with pytest.raises(NotApplicableError, match="No face was found"):
        judge(png(photo(5)))
    batch = [prepare(png(ONE)), prepare(png(photo(6)))]
    with gradients_off():
        with pytest.raises(NotApplicableError):
            analyzer.infer(batch)
        assert analyzer.infer(batch[:1])[0].label == "inconclusive"


def test_tiny_and_damaged_pictures_are_refused(prepare: Prepare) -> None:
    with pytest.raises(NotApplicableError, match="64 pixels"):
        prepare(png(photo(7, 200, 63)))
    with pytest.raises(MediaUnreadableError):
        prepare(png(ONE)[:5000])


def test_the_drawing_shows_where_the_face_is(analyzer: FaceManipulation, prepare: Prepare) -> None:
    prepared = prepare(png(ONE))
    with gradients_off():
        (finding,) = analyzer.infer([prepared])
        drawn = {each.name: each for each in analyzer.explain(prepared, finding)}
    assert set(drawn) == {"faces.png", "mask.png"}
    picture = np.asarray(Image.open(BytesIO(drawn["faces.png"].data)).convert("RGB")).astype(int)
    assert picture.shape == ONE.shape
    x, y, wide, tall = boxes(finding)[0]
    changed = np.abs(picture - ONE).sum(2) > 60
    assert changed[y : y + 2, x : x + wide].mean() > 0.9
    assert not changed[y + 10 : y + tall - 10, x + 10 : x + wide - 10].any()
    mask = np.asarray(Image.open(BytesIO(drawn["mask.png"].data)))
    assert mask.shape == (256, 520, 3)


def test_a_missing_file_of_weights_keeps_it_out(tmp_path: Path) -> None:
    analyzer = made_analyzer(tmp_path)
    analyzer.weights["version-RFB-320.onnx"].write_bytes(b"no network")
    with pytest.raises(OSError, match="no network that onnxruntime reads"):
        analyzer.load("cpu")
