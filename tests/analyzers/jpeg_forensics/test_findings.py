"""What is found, where, and what is left alone."""

import json
from pathlib import Path

import numpy as np
import pytest
from analyzers.conftest import Judge
from analyzers.jpeg_forensics.drawn import PASTED, decoded, encoded, pasted, photo
from PIL import Image

from assay.sdk import Finding


def overlap(box: list[int]) -> float:
    """Intersection over union of a box with the pasted part."""
    x, y, width, height = box
    rows, columns = PASTED
    wide = max(0, min(x + width, columns.stop) - max(x, columns.start))
    tall = max(0, min(y + height, rows.stop) - max(y, rows.start))
    true = (rows.stop - rows.start) * (columns.stop - columns.start)
    return wide * tall / (width * height + true - wide * tall)


def assert_points_at_the_paste(finding: Finding) -> None:
    assert finding.label == "manipulated"
    assert finding.score is not None
    assert finding.score >= 0.9
    assert finding.evidence[0].weight > 2.0
    assert finding.evidence[0].where is not None
    assert overlap(finding.evidence[0].where["box"]) > 0.6


@pytest.mark.parametrize(("before", "after"), [(65, 80), (70, 90), (80, 95), (85, 92)])
def test_a_part_without_the_double_compression_of_the_rest_is_found(judge: Judge, before: int, after: int) -> None:
    finding = judge(encoded(pasted(before), after))
    assert_points_at_the_paste(finding)
    assert abs(finding.details["double_quantisation"]["primary_quality"] - before) <= 2


def test_a_part_that_never_was_a_jpeg_is_found_in_a_png(judge: Judge) -> None:
    assert_points_at_the_paste(judge(encoded(pasted(75))))


def test_a_part_on_another_grid_is_found_and_its_grid_named(judge: Judge) -> None:
    donor = np.roll(decoded(encoded(photo(2), 70)), (3, 5), (0, 1))
    finding = judge(encoded(pasted(75, donor)))
    assert_points_at_the_paste(finding)
    foreign = finding.details["grid"]["foreign"][0]
    assert foreign["grid"] == [5, 3]
    assert foreign["log10_nfa"] < -10
    assert overlap(foreign["box"]) > 0.6


@pytest.mark.parametrize("offset", [(0, 0), (3, 5), (7, 1)])
def test_the_grid_of_a_former_jpeg_is_named(judge: Judge, offset: tuple[int, int]) -> None:
    rows, columns = offset
    cropped = decoded(encoded(photo(3), 80))[rows:, columns:]
    finding = judge(encoded(np.ascontiguousarray(cropped)))
    assert finding.details["grid"]["main"] == [-columns % 8, -rows % 8]
    assert finding.label == "no_findings"


@pytest.mark.parametrize("quality", range(60, 96, 5))
def test_photos_saved_again_as_a_whole_are_not_called_manipulated(judge: Judge, quality: int) -> None:
    for seed in (10, 13):
        pixels = photo(seed)
        before = decoded(encoded(pixels, 60 + (seed * 17 + quality) % 36))
        cropped = np.ascontiguousarray(before[seed % 8 :, quality % 8 :])
        resized = np.asarray(Image.fromarray(before).resize((260, 208), Image.Resampling.LANCZOS))
        for whole in (pixels, before, cropped, resized):
            assert judge(encoded(whole, quality)).label != "manipulated"


def test_a_picture_that_never_was_a_jpeg_is_inconclusive(judge: Judge) -> None:
    finding = judge(encoded(photo(4)))
    assert finding.label == "inconclusive"
    assert finding.score is None
    assert "raw_score" in finding.details
    assert "no trace of JPEG" in finding.evidence[0].text


def test_nothing_found_is_not_called_proof(judge: Judge) -> None:
    finding = judge(encoded(decoded(encoded(photo(5), 70)), 90))
    assert finding.label == "no_findings"
    assert "does not prove" in finding.evidence[0].text
    assert finding.score is not None
    assert 0.1 < finding.score < 0.5


def test_silence_says_nothing_where_there_was_nothing_to_read(judge: Judge) -> None:
    finding = judge(encoded(photo(5), 90))
    assert (finding.label, finding.score) == ("no_findings", None)
    assert finding.evidence[0].weight == 0.0


def test_findings_are_json(judge: Judge) -> None:
    finding = judge(encoded(pasted(), 90))
    assert json.loads(json.dumps(finding.details)) == finding.details


def test_the_table_tells_the_quality_of_the_last_saving(judge: Judge) -> None:
    table = judge(encoded(photo(6), 83)).details["table"]
    assert (table["quality"], table["standard"]) == (83, True)


SAMPLES = Path(__file__).parents[3] / "examples" / "samples"


def test_the_sample_landscape_is_left_alone_and_the_balloon_in_the_other_is_found(judge: Judge) -> None:
    contents = {name: (SAMPLES / name).read_bytes() for name in ("landscape.jpg", "splice.jpg")}
    assert all(len(content) <= 150_000 for content in contents.values())
    assert judge(contents["landscape.jpg"]).label == "no_findings"
    splice = judge(contents["splice.jpg"])
    assert splice.label == "manipulated"
    where = splice.evidence[0].where
    assert where is not None
    x, y, width, height = where["box"]
    assert abs(x - 388) < 24
    assert abs(y - 62) < 24
    assert abs(x + width - 520) < 24
    assert abs(y + height - 224) < 24
