"""Near-duplicates are found through what people do to pictures, and different pictures are kept apart."""

import subprocess
from io import BytesIO
from pathlib import Path

import pytest
from analyzers.jpeg_forensics.drawn import photo
from PIL import Image

from evaluation import training
from evaluation.duplicates import fingerprint_of, mirrored, near_duplicates, read, write
from evaluation.library import Library
from evaluation.sets import Labelled


def content(image: Image.Image, quality: int = 90) -> bytes:
    output = BytesIO()
    image.save(output, "JPEG", quality=quality)
    return output.getvalue()


def drawn(seed: int) -> Image.Image:
    return Image.fromarray(photo(seed, 240, 320))


CHANGED = {
    "saved again": lambda image: content(image, 40),
    "small": lambda image: content(image.resize((100, 75))),
    "square": lambda image: content(image.resize((224, 224))),
    "mirrored": lambda image: content(image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)),
    "gray": lambda image: content(image.convert("L")),
}


@pytest.mark.parametrize("how", CHANGED)
def test_a_changed_copy_is_the_same_picture(how: str) -> None:
    known = [fingerprint_of(content(drawn(seed)), str(seed)) for seed in range(5)]
    ((one, other),) = near_duplicates([fingerprint_of(CHANGED[how](drawn(3)), "copy")], known)
    assert (one.name, other.name) == ("copy", "3")


def test_different_pictures_are_different() -> None:
    known = [fingerprint_of(content(drawn(seed))) for seed in range(12)]
    others = [fingerprint_of(content(drawn(seed))) for seed in range(12, 24)]
    assert list(near_duplicates(others, known)) == []


def test_plain_pictures_are_like_nothing_but_the_same_bytes_are() -> None:
    white, gray = (fingerprint_of(content(Image.new("RGB", (64, 64), level))) for level in ("white", "gray"))
    assert list(near_duplicates([white], [gray])) == []
    assert list(near_duplicates([white], [white])) == [(white, white)]


def test_the_mirrored_fingerprint_is_that_of_the_mirrored_picture() -> None:
    # Without loss, so that both have the same pixels.
    def png(image: Image.Image) -> bytes:
        output = BytesIO()
        image.save(output, "PNG")
        return output.getvalue()

    flipped = drawn(1).resize((320, 320)).transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    found, expected = mirrored(fingerprint_of(png(drawn(1).resize((320, 320))))), fingerprint_of(png(flipped))
    assert (found.hash ^ expected.hash).bit_count() <= 1
    assert found.hash != fingerprint_of(png(drawn(1))).hash


def test_a_list_is_read_as_it_was_written(tmp_path: Path) -> None:
    known = [fingerprint_of(content(drawn(seed)), f"picture {seed}") for seed in range(3)]
    write(known, tmp_path / "list")
    assert sorted(read(tmp_path / "list"), key=lambda each: each.name) == known


def test_training_pictures_among_the_evaluation_pictures_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [tmp_path / f"{seed}.jpg" for seed in range(4)]
    for seed, path in enumerate(paths):
        path.write_bytes(content(drawn(seed)))
    trained_on = [content(drawn(1).resize((200, 150))), content(drawn(8)), paths[2].read_bytes()]
    known = [fingerprint_of(each) for each in trained_on]
    monkeypatch.setattr(training, "listed", lambda _: [{"sha256": each.sha256} for each in known])
    monkeypatch.setattr(training, "FINGERPRINTS", tmp_path)
    write(known[:2], tmp_path / "some-analyzer.gz")
    pictures = [Labelled(path, False, path.name) for path in paths]
    rows = training.rows_of_training("some-analyzer", pictures, Library(tmp_path, tmp_path))
    assert [(each["name"].rsplit("/")[-1], each["value"], each["n"]) for each in rows] == [
        ("training_duplicates", 2, 4),
        ("training_without_fingerprint", 1, 3),
    ]


def test_fingerprints_come_out_of_repositories(tmp_path: Path) -> None:
    folder = tmp_path / "somebody+pictures" / "repo"
    subprocess.run(["git", "init", "-q", "--bare", str(folder)], check=True)
    blobs = []
    for data in (content(drawn(5)), b"no picture"):
        command = ["git", f"--git-dir={folder}", "hash-object", "-w", "--stdin"]
        blobs.append(subprocess.run(command, input=data, check=True, capture_output=True).stdout.decode().strip())
    listed = [{"repository": "somebody/pictures", "blob": blob, "path": f"{blob}.jpg"} for blob in blobs]
    (found,) = training.fingerprints(listed, tmp_path)
    assert found.sha256 == fingerprint_of(content(drawn(5))).sha256


def test_orientation_is_that_of_the_viewer() -> None:
    image = drawn(2)
    exif = Image.Exif()
    exif[0x0112] = 6
    output = BytesIO()
    image.transpose(Image.Transpose.ROTATE_90).save(output, "JPEG", quality=95, exif=exif)
    turned = fingerprint_of(output.getvalue())
    assert list(near_duplicates([turned], [fingerprint_of(content(image))]))
