"""The model that tells media types takes no more of the machine than it needs."""

import io
import wave
import zipfile

import psutil
import pytest
from PIL import Image

from assay.shared.media_types import MediaType, MediaTypes, Sample


async def test_it_computes_in_the_thread_that_asks() -> None:
    before = psutil.Process().num_threads()
    types = MediaTypes()
    sample = Sample()
    sample.add(b"A letter to the editor, in plain words. " * 20)
    assert (await types.of(sample)).name == "text/plain"
    # At most one thread of asyncio's pool; the model's own would spin on every other core.
    assert psutil.Process().num_threads() <= before + 1


@pytest.fixture(scope="module")
def types() -> MediaTypes:
    return MediaTypes()


def picture(kind: str) -> bytes:
    content = io.BytesIO()
    Image.effect_noise((96, 96), 60).save(content, kind)
    return content.getvalue()


def recording() -> bytes:
    content = io.BytesIO()
    with wave.open(content, "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(bytes(range(256)) * 64)
    return content.getvalue()


def archive() -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        for number in range(40):
            file.writestr(f"{number}.txt", "Nothing to see here. " * 30)
    return content.getvalue()


def sample_of(content: bytes) -> Sample:
    sample = Sample()
    for start in range(0, len(content), 1000):
        sample.add(content[start : start + 1000])
    return sample


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (picture("JPEG"), "image/jpeg"),
        (picture("PNG"), "image/png"),
        (picture("GIF"), "image/gif"),
        (picture("WEBP"), "image/webp"),
        (recording(), "audio/x-wav"),
    ],
    ids=["jpeg", "png", "gif", "webp", "wav"],
)
async def test_a_whole_file_is_known_by_its_ends_and_a_part_of_it_by_the_model(
    types: MediaTypes, content: bytes, name: str
) -> None:
    assert await types.of(sample_of(content)) == MediaType(name, certain=True)
    assert (await types.of(sample_of(content[:-700]))).name == name


async def test_what_goes_on_behind_a_picture_s_end_is_not_taken_for_one(types: MediaTypes) -> None:
    assert (await types.of(sample_of(picture("JPEG") + archive()))).name == "application/zip"
