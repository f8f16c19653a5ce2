"""What a task of Celery or Karton does with one file: the same steps and the same analyzer code as in our worker."""

import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from assay.sdk import Media, NoSettings
from bench.analyzers import KINDS


@dataclass(frozen=True, slots=True)
class Storage:
    """Where the files are."""

    endpoint: str
    bucket: str
    region: str
    access_key: str
    secret_key: str

    @classmethod
    def from_environment(cls) -> "Storage":
        """From BENCH_S3, JSON."""
        return cls(**json.loads(os.environ["BENCH_S3"]))

    @classmethod
    def of_service(cls, lines: Mapping[str, str]) -> "Storage":
        """The one that a service with these settings uses."""
        return cls(
            endpoint=lines["ASSAY_S3__ENDPOINT_URL"],
            bucket=lines["ASSAY_S3__BUCKET"],
            region=lines["ASSAY_S3__REGION"],
            access_key=lines["ASSAY_S3__ACCESS_KEY_ID"],
            secret_key=lines["ASSAY_S3__SECRET_ACCESS_KEY"],
        )

    def environment(self) -> dict[str, str]:
        """What `from_environment` reads."""
        return {"BENCH_S3": json.dumps(asdict(self))}

    def connect(self) -> Any:
        """A boto3 client: one for each process. Without the checksums that our services do without."""
        # Not in the settings below: the boto3 that Karton asks for is too old to know the name.
        os.environ.setdefault("AWS_REQUEST_CHECKSUM_CALCULATION", "when_required")
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name=self.region,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            config=Config(signature_version="s3v4", s3={"addressing_style": "path"}, max_pool_connections=32),
        )


@contextmanager
def as_file(content: bytes) -> Iterator[Path]:
    """A file with these bytes for the block, in memory where there is such a folder."""
    with tempfile.NamedTemporaryFile(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as file:
        file.write(content)
        file.flush()
        yield Path(file.name)


class Job:
    """An analyzer that is loaded, and a way to the files. One for each worker process."""

    def __init__(self, analyzer: str, threads: int) -> None:
        import torch

        torch.set_num_threads(threads)
        self._inference = torch.inference_mode
        self._storage = Storage.from_environment()
        self._s3 = self._storage.connect()
        self._analyzer = KINDS[analyzer](NoSettings())
        self._analyzer.load("cpu")

    def run(self, task_id: str, key: str, size: int, sha256: str) -> dict[str, Any]:
        """Download the file, judge it."""
        body = self._s3.get_object(Bucket=self._storage.bucket, Key=key)["Body"]
        return self.judge(task_id, body.read(), size, sha256)

    def judge(self, task_id: str, content: bytes, size: int, sha256: str) -> dict[str, Any]:
        """Judge the bytes, store what the analyzer made to be looked at, and return the verdict."""
        with as_file(content) as path:
            prepared = self._analyzer.prepare(Media(path, "image/jpeg", size, sha256))
        with self._inference():
            [finding] = self._analyzer.infer([prepared])
        artifacts = []
        for rendering in self._analyzer.explain(prepared, finding):
            name = f"bench/{task_id}/{rendering.name}"
            self._s3.put_object(Bucket=self._storage.bucket, Key=name, Body=rendering.data)
            artifacts.append(name)
        return {
            "label": finding.label,
            "claim": finding.claim,
            "score": finding.score,
            "confidence": finding.confidence,
            "evidence": [each.model_dump() for each in finding.evidence],
            "artifacts": artifacts,
        }
