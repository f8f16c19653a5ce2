"""What an expert writes who needs no Kafka: `python -m bench.bare_loop ANALYZER BATCH DECODERS THREADS LIST`.

Decoder processes (torch's DataLoader) read the files from the local disk, decode them and hand whole batches over in
shared memory; the network runs in the main thread under `inference_mode` meanwhile. The analyzer's code is the one that
our worker runs. The decoders are up, the network is loaded and both have worked once before the clock starts.
LIST is a file with a path on each line, or with the key of an object in S3, which is read from there (`BENCH_S3`).
Prints the seconds.
"""

import json
import math
import pickle
import sys
import time
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from assay.sdk import Analyzer, Finding, Media
from bench.analyzers import PictureAnalyzer, Pixels
from bench.job import Storage, as_file
from bench.shipped import made

WARM = 2


class Files(Dataset[Any]):
    """Decodes on access."""

    def __init__(self, analyzer: Analyzer[Any], listed: list[str]) -> None:
        self._analyzer = analyzer
        self._listed = listed

    def __len__(self) -> int:
        return len(self._listed)

    def __getitem__(self, index: int) -> Any:
        path = Path(self._listed[index])
        if path.is_absolute():
            return self._prepared(path)
        return self._prepared_from_storage(str(path))

    def _prepared_from_storage(self, key: str) -> Any:
        storage, client = connected()
        with as_file(client.get_object(Bucket=storage.bucket, Key=key)["Body"].read()) as path:
            return self._prepared(path)

    def _prepared(self, path: Path) -> Any:
        return self._analyzer.prepare(Media(path, "image/jpeg", path.stat().st_size, ""))


@cache
def connected() -> tuple[Storage, Any]:
    """Where keys are read, with connections of this process' own."""
    storage = Storage.from_environment()
    return storage, storage.connect()


def stacked(items: list[Pixels]) -> torch.Tensor:
    """One tensor, which the DataLoader puts into shared memory."""
    return torch.from_numpy(np.stack(items))


Packed = tuple[bytes, list[torch.Tensor]]


def packed(items: list[Any]) -> Packed:
    """Whatever an analyzer prepares: its arrays go through shared memory as tensors do, the rest is pickled."""
    buffers: list[pickle.PickleBuffer] = []
    head = pickle.dumps(items, protocol=5, buffer_callback=buffers.append)
    return head, [torch.from_numpy(np.array(each.raw())) for each in buffers]


def unpacked(batch: Packed) -> list[Any]:
    """The items, their arrays where they lie."""
    head, buffers = batch
    items: list[Any] = pickle.loads(head, buffers=[each.numpy() for each in buffers])  # noqa: S301 - our own
    return items


def _ways(analyzer: Analyzer[Any]) -> tuple[Callable[[list[Any]], Any], Callable[[Any], Sequence[Finding]]]:
    """How a batch comes from the decoders, and how it is judged."""
    if isinstance(analyzer, PictureAnalyzer):
        return stacked, lambda batch: analyzer.judge(batch.numpy())
    return packed, lambda batch: analyzer.infer(unpacked(batch))


def measure(name: str, batch: int, decoders: int, threads: int, listed: list[str]) -> dict[str, Any]:
    """Seconds for all files, and how many have a finding."""
    torch.set_num_threads(threads)
    analyzer = made(name)
    hand_over, judge = _ways(analyzer)
    files = Files(analyzer, listed)
    passes = _Passes(len(listed), batch, decoders)
    loader = DataLoader(
        files,
        batch_sampler=passes,
        num_workers=decoders,
        prefetch_factor=4,
        collate_fn=hand_over,
        persistent_workers=True,
    )
    list(loader)
    device = "cuda:0" if torch.cuda.is_available() else "cpu"
    analyzer.load(device)
    with torch.inference_mode():
        for each in loader:
            judge(each)
        passes.all = True
        began = time.perf_counter()
        judged = sum(len(judge(each)) for each in loader)
        seconds = time.perf_counter() - began
    return {"seconds": seconds, "files": judged}


class _Passes:
    """Batches of indices: a few of each decoder at first, all files once `all` is set."""

    def __init__(self, files: int, batch: int, decoders: int) -> None:
        self._files = files
        self._batch = batch
        self._few = WARM * decoders * batch
        self.all = False

    def __iter__(self) -> Any:
        end = self._files if self.all else min(self._few, self._files)
        for start in range(0, end, self._batch):
            yield list(range(start, min(start + self._batch, end)))

    def __len__(self) -> int:
        return math.ceil((self._files if self.all else min(self._few, self._files)) / self._batch)


if __name__ == "__main__":
    _, analyzer_name, *numbers, list_path = sys.argv
    one, two, three = (int(number) for number in numbers)
    print(json.dumps(measure(analyzer_name, one, two, three, Path(list_path).read_text().splitlines())))
