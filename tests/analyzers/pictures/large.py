"""Large JPEGs in no time, and work under the limits of a child process."""

import subprocess
import sys
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_SEGMENTS = 8  # restart markers count to eight
_LIMITED = """
import pickle, resource, sys
from pathlib import Path
from assay.inference.child import limit_memory
{setup}
limit_memory({megabytes} << 20)
from assay.sdk import Media
media = Media(Path({path!r}), "image/jpeg", Path({path!r}).stat().st_size, "0" * 64)
{work}
used = resource.getrusage(resource.RUSAGE_SELF)
print("CPU", round(used.ru_utime + used.ru_stime, 2), "peak MB", used.ru_maxrss // 1024)
"""

_PREPARE = """
Path({kept!r}).write_bytes(pickle.dumps(analyzer.prepare(media), 5))
"""
_LOAD = """
import torch
from assay.sdk import packed_weights
torch.set_num_threads(1)
analyzer.weights = packed_weights(analyzer.manifest)
analyzer.load("cpu")
"""
_JUDGE = """
prepared = pickle.loads(Path({kept!r}).read_bytes())
(finding,) = analyzer.infer([prepared])
assert all(len(each.data) > 100 for each in analyzer.explain(prepared, finding))
print({told})
"""


def large_jpeg(pixels: NDArray[np.uint8], height: int, **options: object) -> bytes:
    """A baseline JPEG of `height` rows, the strip repeated down to its end; only the strip is encoded.

    pixels: (128, W, 3), eight rows of blocks of 4:2:0. height: at most 65,535. Between restart markers nothing depends
    on what was before, so the entropy coded segments can be repeated.
    """
    output = BytesIO()
    assert pixels.shape[0] == 16 * _SEGMENTS
    Image.fromarray(pixels).save(output, "JPEG", restart_marker_rows=1, subsampling="4:2:0", **options)
    data = output.getvalue()
    scan = data.index(b"\xff\xda")
    body = scan + 2 + int.from_bytes(data[scan + 2 : scan + 4])
    frame = data.index(b"\xff\xc0")
    header = data[: frame + 5] + height.to_bytes(2) + data[frame + 7 : body]
    segments, rest = [], data[body:-2]
    for number in range(_SEGMENTS - 1):
        segment, rest = rest.split(bytes([0xFF, 0xD0 + number]), 1)
        segments.append(segment)
    segments.append(rest)
    rows = -(-height // 16)
    return header + b"".join(
        segments[row % _SEGMENTS] + (b"\xff\xd9" if row == rows - 1 else bytes([0xFF, 0xD0 + row % _SEGMENTS]))
        for row in range(rows)
    )


def limited(path: Path, megabytes: int, work: str, setup: str = "") -> str:
    """Run statements on `media` in a process with the memory of a child. Returns what it printed; fails if it failed.

    setup: what runs before the limit is set, such as imports: the engine does not count them either.
    """
    script = _LIMITED.format(setup=setup, megabytes=megabytes, path=str(path), work=work)
    environment = {"PYTHONPATH": ":".join(sys.path), "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def examined(
    folder: Path, strip: NDArray[np.uint8], size: tuple[int, int], megabytes: int, *, made: str, told: str
) -> str:
    """Prepare a picture, the strip again and again, in one limited process, judge and draw it in another.

    strip: (128, 1000, 3).  size: width, in thousands, and height.  made: statements that make `analyzer`.  told: an
    expression to print, of `prepared` and `finding`.
    """
    path, kept = folder / "large.jpg", folder / "prepared"
    width, height = size
    path.write_bytes(large_jpeg(np.tile(strip, (1, width // strip.shape[1], 1)), height, quality=85))
    limited(path, megabytes, _PREPARE.format(kept=str(kept)), made)
    return limited(path, megabytes, _JUDGE.format(kept=str(kept), told=told), made + _LOAD)
