"""Forgeries are what their masks say, and their real counterparts were saved alike."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from analyzers.jpeg_forensics.drawn import encoded, photo
from PIL import Image

from evaluation.making import Made, Maker, copies, made, splices


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for seed in range(4):
        (tmp_path / f"{seed}.jpg").write_bytes(encoded(photo(seed, 216, 280), 95))
    (tmp_path / "small.jpg").write_bytes(encoded(photo(9, 160, 208), 95))
    return tmp_path


def pixels(content: bytes) -> np.ndarray:
    with Image.open(BytesIO(content)) as image:
        return np.asarray(image.convert("RGB")).astype(int)


def kind(content: bytes) -> tuple[str | None, object]:
    with Image.open(BytesIO(content)) as image:
        return image.format, getattr(image, "quantization", None)


@pytest.mark.parametrize("maker", [splices, copies])
def test_a_forgery_differs_inside_its_mask_only(folder: Path, maker: Maker) -> None:
    found: list[Made] = list(made(maker, [folder]))
    assert [each.name for each in found] == ["0.jpg", "1.jpg", "2.jpg", "3.jpg"]
    assert {kind(each.forged)[0] for each in found} == {"JPEG", "PNG"}
    for each in found:
        assert kind(each.forged) == kind(each.real)
        apart = np.abs(pixels(each.forged) - pixels(each.real)).max(axis=2)
        assert 0.02 < each.mask.mean() < 0.6
        if kind(each.forged)[0] == "PNG":
            assert not apart[~each.mask].any()
        assert apart[each.mask].mean() > 5 * max(1.0, apart[~each.mask].mean())


def test_copies_are_there_twice(folder: Path) -> None:
    unchanged = 0
    for each in made(copies, [folder, folder]):
        rows, columns = np.nonzero(each.mask)
        assert (np.ptp(rows), np.ptp(columns)) > (20, 20)
        unchanged += kind(each.forged)[0] == "PNG"
    assert unchanged == 4


def test_the_same_photos_give_the_same_forgeries(folder: Path) -> None:
    first, second = (list(made(copies, [folder])) for _ in range(2))
    assert [each.forged for each in first] == [each.forged for each in second]
