"""What an expert writes who needs no Kafka: `python -m bench.bare_loop ANALYZER BATCH DECODERS THREADS LIST`.

Decoder processes (torch's DataLoader) read the files from the local disk, decode them and hand whole batches over in
shared memory; the network runs in the main thread under `inference_mode` meanwhile. The analyzer's code is the one that
our worker runs. The decoders are up, the network is loaded and both have worked once before the clock starts.
LIST is a file with a path on each line, or with the key of an object in S3, which is read from there (`BENCH_S3`).
Prints the seconds.
"""

import json
import math
import sys
import time
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from assay.sdk import Media, NoSettings
from bench.analyzers import KINDS, PictureAnalyzer, Pixels
from bench.job import Storage, as_file

WARM = 2


class Files(Dataset[Pixels]):
    """Decodes on access."""

    def __init__(self, analyzer: PictureAnalyzer, listed: list[str]) -> None:
        self._analyzer = analyzer
        self._listed = listed

    def __len__(self) -> int:
        return len(self._listed)

    def __getitem__(self, index: int) -> Pixels:
        path = Path(self._listed[index])
        if path.is_absolute():
            return self._prepared(path)
        return self._prepared_from_storage(str(path))

    def _prepared_from_storage(self, key: str) -> Pixels:
        storage, client = connected()
        with as_file(client.get_object(Bucket=storage.bucket, Key=key)["Body"].read()) as path:
            return self._prepared(path)

    def _prepared(self, path: Path) -> Pixels:
        return self._analyzer.prepare(Media(path, "image/jpeg", path.stat().st_size, ""))


@cache
def connected() -> tuple[Storage, Any]:
    """Where keys are read, with connections of this process' own."""
    storage = Storage.from_environment()
    return storage, storage.connect()


def stacked(items: list[Pixels]) -> torch.Tensor:
    """One tensor, which the DataLoader puts into shared memory."""
    return torch.from_numpy(np.stack(items))


def measure(name: str, batch: int, decoders: int, threads: int, listed: list[str]) -> dict[str, Any]:
    """Seconds for all files, and how many have a finding."""
    torch.set_num_threads(threads)
    analyzer = KINDS[name](NoSettings())
    assert isinstance(analyzer, PictureAnalyzer)
    files = Files(analyzer, listed)
    passes = _Passes(len(listed), batch, decoders)
    loader = DataLoader(
        files,
        batch_sampler=passes,
        num_workers=decoders,
        prefetch_factor=4,
        collate_fn=stacked,
        persistent_workers=True,
    )
    list(loader)
    device = "cuda:0" if torch.cuda.is_available() else "cpu"
    analyzer.load(device)
    with torch.inference_mode():
        for each in loader:
            analyzer.judge(each.numpy())
        passes.all = True
        began = time.perf_counter()
        judged = sum(len(analyzer.judge(each.numpy())) for each in loader)
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
