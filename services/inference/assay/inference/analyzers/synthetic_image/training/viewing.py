"""Pictures as the analyzer meets them: whole, unchanged, its own choice of squares.

Only of repositories that hold both classes alike (`Source.alike`): elsewhere size and compression would tell them.
"""

import io
import tempfile
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from assay.inference.analyzers.synthetic_image.looking import View, look
from assay.inference.analyzers.synthetic_image.training import repositories
from assay.inference.analyzers.synthetic_image.training.building import writing
from assay.inference.analyzers.synthetic_image.training.chain import Passed
from assay.inference.analyzers.synthetic_image.training.listing import first_of_each, read_list
from assay.inference.analyzers.synthetic_image.training.sources import SOURCES
from assay.sdk import Media

SQUARES = 8
"""Of a picture; two more than decide, so that more is learned of it."""


def view_of(content: bytes) -> View:
    """What `look` gives of a picture that lies in memory."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        return look(Media(path=Path(file.name), media_type="image/any", size=len(content), sha256="0" * 64), 10**9)


def decoded(content: bytes) -> NDArray[np.uint8]:
    """Pixels (H, W, 3) of a picture that lies in memory."""
    with Image.open(io.BytesIO(content)) as image:
        return np.asarray(image.convert("RGB"))


def write_views(folder: Path) -> None:
    """Write the most detailed squares of all pictures of the training split that may be trained on as they are."""
    sources = {source.name: source for source in SOURCES}
    listed = [one for one in read_list() if one.split == "train" and sources[one.source].alike]
    with writing(folder, "train-views") as written:
        for repository, ones in groupby(first_of_each(listed, len(listed)), key=lambda one: one.repository):
            with repositories.open_blobs(repository.replace("/", "+")) as blobs:
                for one in ones:
                    view = view_of(blobs.read(one.blob))
                    untouched = Passed(*view.size, scale=1.0, jpeg=0, webp=0, screenshot=0, noise=0.0, blur=0.0)
                    for crop in view.crops[:SQUARES]:
                        written.add(crop.copy(), one.sha256, sources[one.source], untouched)
