"""SeaweedFS as the S3 server: master, volume server, filer and S3 gateway in one process."""

import json
from collections.abc import Mapping
from pathlib import Path

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from assay.embedded import certificates, executables
from assay.embedded.credentials import Credentials
from assay.embedded.errors import StackError
from assay.embedded.home import Home
from assay.embedded.part import Part, Say, plain_environment
from assay.embedded.ports import HOST, Ports
from assay.embedded.process import Program
from assay.embedded.waiting import http_status

BUCKET = "assay"
REGION = "us-east-1"
VOLUME_SIZE_MB = 1024
"""A volume is one file on the disk, made small and grown as it fills; nothing is allocated ahead."""

MOST_VOLUMES = 10000
LEAST_FREE_DISK = "512MiB"
"""Under this, volumes become read-only, before Kafka and PostgreSQL run out of disk."""

_MEMORY_LIMIT = "384MiB"
"""What the Go runtime tries to stay under; without it a large upload leaves half a gigabyte behind."""

# One volume at a time for each bucket, and no unattended scripts but the two that tidy up: the stock ones would abort
# multipart uploads after a day, while upload's own sweeper decides that here.
_MASTER = """\
[master.maintenance]
scripts = '''
  lock
  fs.log.purge -daysAgo=7
  volume.deleteEmpty -quietFor=24h -apply
  unlock
'''
sleep_minutes = 60

[master.volume_growth]
copy_1 = 1
"""


class SeaweedFS(Part):
    """The object store. Only its S3 port takes ordinary clients, and those must sign with the key of `assay`.

    All its other listeners (master, volume, filer; HTTP and gRPC) ask for a client certificate that never leaves
    the home, so another user of the same machine cannot go round the S3 signatures.
    """

    name = "s3"
    port_names = ("s3", "s3-grpc", "master", "master-grpc", "volume", "volume-grpc", "filer", "filer-grpc")

    def __init__(self, home: Home, ports: Ports, credentials: Credentials) -> None:
        self._home = home
        self._ports = ports
        self._credentials = credentials
        self._folder = home.folder("seaweedfs")

    def prepare(self, say: Say) -> None:
        tls = self._home.folder("seaweedfs/tls")
        self._home.folder("seaweedfs/data")
        certificates.ensure(self._home, tls)
        self._home.write_private(self._folder / "security.toml", self._security(tls))
        self._home.write_private(self._folder / "master.toml", _MASTER)
        self._home.write_private(self._folder / "s3.json", self._identities())

    def program(self) -> Program:
        ports = self._ports
        return Program(
            name=self.name,
            command=[
                executables.find("weed"),
                "-logtostderr=true",
                "server",
                f"-ip={HOST}",
                f"-ip.bind={HOST}",
                "-dir=data",
                f"-master.port={ports['master']}",
                f"-master.port.grpc={ports['master-grpc']}",
                "-master.peers=none",
                "-master.telemetry=false",
                f"-master.volumeSizeLimitMB={VOLUME_SIZE_MB}",
                "-volume.id=embedded",  # its own name, so that another port is not another server
                f"-volume.port={ports['volume']}",
                f"-volume.port.grpc={ports['volume-grpc']}",
                f"-volume.max={MOST_VOLUMES}",
                f"-volume.minFreeSpace={LEAST_FREE_DISK}",
                "-volume.preStopSeconds=0",
                "-filer",
                f"-filer.port={ports['filer']}",
                f"-filer.port.grpc={ports['filer-grpc']}",
                "-filer.localSocket=filer.sock",
                "-filer.exposeDirectoryData=false",
                "-s3",
                f"-s3.port={ports['s3']}",
                f"-s3.port.grpc={ports['s3-grpc']}",
                "-s3.port.iceberg=0",
                "-s3.port.lance=0",
                "-s3.config=s3.json",
                "-s3.iam=false",
                "-s3.localSocket=s3.sock",
            ],
            environment=plain_environment(self._folder, GOMEMLIMIT=_MEMORY_LIMIT, GOGC="50"),
            folder=self._folder,  # its configuration is read from here; socket paths stay short
            # Its volumes are closed within milliseconds. Its filer then waits 15 s for streams to itself, for nothing:
            # each of its writes is in its journal already.
            stop_seconds=1.5,
            tell_when_killed=False,
        )

    def is_ready(self) -> bool:
        """True when the S3 port answers; `finish` then waits for the store behind it."""
        return http_status(self._ports["s3"], "/healthz", seconds=2) == 200

    def finish(self) -> None:
        """Make the bucket where it is missing."""
        client = boto3.client(
            "s3",
            endpoint_url=self._endpoint,
            region_name=REGION,
            aws_access_key_id=self._credentials.s3_access_key_id,
            aws_secret_access_key=self._credentials.s3_secret_access_key,
            config=Config(connect_timeout=5, read_timeout=20, retries={"total_max_attempts": 5, "mode": "standard"}),
        )
        try:
            if BUCKET not in [bucket.get("Name") for bucket in client.list_buckets().get("Buckets", [])]:
                client.create_bucket(Bucket=BUCKET)
        except (BotoCoreError, ClientError) as error:
            raise StackError(f"S3 refused to make the bucket {BUCKET}: {error}") from error
        finally:
            client.close()

    def tidy(self) -> None:
        """Remove the socket that SeaweedFS makes in /tmp for each gRPC port and leaves there when it is killed."""
        for part in ("s3", "master", "volume", "filer"):
            socket = Path(f"/tmp/seaweedfs-{part}-grpc-{self._ports[f'{part}-grpc']}.sock")  # noqa: S108 - its choice
            if socket.is_socket() and socket.owner() == self._folder.owner():
                socket.unlink()

    def environment(self) -> Mapping[str, str]:
        return {
            "ASSAY_S3__ENDPOINT_URL": self._endpoint,
            "ASSAY_S3__BUCKET": BUCKET,
            "ASSAY_S3__REGION": REGION,
            "ASSAY_S3__ACCESS_KEY_ID": self._credentials.s3_access_key_id,
            "ASSAY_S3__SECRET_ACCESS_KEY": self._credentials.s3_secret_access_key,
        }

    @property
    def _endpoint(self) -> str:
        return f"http://{HOST}:{self._ports['s3']}"

    def _identities(self) -> str:
        credentials = {
            "accessKey": self._credentials.s3_access_key_id,
            "secretKey": self._credentials.s3_secret_access_key,
        }
        actions = ["Admin", "Read", "Write", "List", "Tagging"]
        return json.dumps({"identities": [{"name": "assay", "credentials": [credentials], "actions": actions}]}) + "\n"

    def _security(self, tls: Path) -> str:
        keys = {
            "jwt.signing": self._credentials.s3_volume_write_key,
            "jwt.signing.read": self._credentials.s3_volume_read_key,
            "jwt.filer_signing": self._credentials.s3_filer_write_key,
            "jwt.filer_signing.read": self._credentials.s3_filer_read_key,
        }
        authority = f"ca = {json.dumps(str(tls / 'ca.pem'))}\n"
        pair = f"cert = {json.dumps(str(tls / 'cert.pem'))}\nkey = {json.dumps(str(tls / 'key.pem'))}\n"
        sections = [f'[{section}]\nkey = "{key}"\n' for section, key in keys.items()]
        sections += [f"[grpc]\n{authority}"]
        sections += [f"[grpc.{part}]\n{pair}" for part in ("master", "volume", "filer", "s3", "client")]
        sections += [f"[https.{part}]\n{authority}{pair}" for part in ("master", "volume", "filer")]
        sections += [f"[https.client]\nenabled = true\n{authority}{pair}"]
        return "\n".join(sections)
