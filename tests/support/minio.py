"""MinIO in the place of SeaweedFS, where ASSAY_TEST_S3=minio: the same tests, on the object store of compose.yaml."""

import base64
import os
from pathlib import Path

from assay.embedded import stack
from assay.embedded.errors import StackError
from assay.embedded.part import Say, plain_environment
from assay.embedded.ports import HOST
from assay.embedded.process import Program
from assay.embedded.seaweedfs import SeaweedFS
from assay.embedded.waiting import http_status

PROGRAM = Path(__file__).parents[2] / ".assay/tools/bin/minio"


class MinIO(SeaweedFS):
    """Same port, same key, same bucket, so everything that is told of S3 stays true; another program."""

    port_names = ("s3",)

    def prepare(self, say: Say) -> None:
        if not PROGRAM.exists():
            raise StackError(f"{PROGRAM} is missing: sh infra/minio/build.sh")
        self._home.folder("minio/data")

    def program(self) -> Program:
        folder = self._home.folder("minio")
        return Program(
            name=self.name,
            command=[str(PROGRAM), "server", "data", "--address", f"{HOST}:{self._ports['s3']}"],
            environment=plain_environment(
                folder,
                MINIO_ROOT_USER=self._credentials.s3_access_key_id,
                MINIO_ROOT_PASSWORD=self._credentials.s3_secret_access_key,
                # So that it encrypts where it is asked to.
                MINIO_KMS_SECRET_KEY=f"tests:{base64.b64encode(bytes(range(32))).decode()}",
                MINIO_BROWSER="off",
                MINIO_UPDATE="off",
                GOMEMLIMIT="384MiB",
            ),
            folder=folder,
            stop_seconds=4.0,
        )

    def is_ready(self) -> bool:
        return http_status(self._ports["s3"], "/minio/health/ready", seconds=2) == 200

    def tidy(self) -> None:
        """It leaves nothing outside its folder."""


def is_wanted() -> bool:
    """True where the tests are to run on MinIO."""
    return os.environ.get("ASSAY_TEST_S3") == "minio"


def put_in_place() -> None:
    """From now on a stack of this process has MinIO."""
    stack.SeaweedFS = MinIO  # type: ignore[misc]
