"""What the upload service takes in, beside boto3 alone with the same bytes, the same store and the same concurrency.

One upload process and the stack's parts run, and nobody else: what is measured is from the first byte of a form to its
202, when the bytes are stored and the file is announced. All bytes are made up: a JPEG with noise in it, for every
file another one, so that nothing is known already.
"""

import asyncio
import io
import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from uuid import uuid4

from support.processes import cpu_s, forget_peak, peak_mib, resident_mib
from support.services import ServiceProcess, free_port, running_service
from support.stacks import running_stack
from support.uploads import ANALYZER, Owner, jpeg, manifest, publish

from bench.job import Storage
from bench.lean_client import BOUNDARY, Connection, form, form_around
from bench.rows import Aim, Row
from bench.workplace import Workplace

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MIB = 1024 * 1024
ROUNDS = 3
SMALL_BYTES = 64 * 1024
AT_ONCE = 16
"""Uploads of small files at a time, and threads of boto3."""
LARGEST_BYTES = 5 * 1024 * MIB
CROWD = 50
CROWD_BYTES = 40 * MIB
UPLOADS = ("upload_large", "upload_small", "upload_memory_mib")


class Noise(io.RawIOBase):
    """A file of so many bytes that lies nowhere: a JPEG's beginning, 8 random bytes, the same noise again, its end."""

    BLOCK = random.Random(5).randbytes(8 * MIB)  # noise

    END = b"\xff\xd9"

    def __init__(self, size: int) -> None:
        self.start = jpeg() + os.urandom(8)
        self.size = size
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = offset + (0, self._at, self.size)[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer)
        done = 0
        for piece in self.pieces(self._at):
            count = min(len(piece), len(view) - done)
            view[done : done + count] = piece[:count]
            done += count
            if done == len(view):
                break
        self._at += done
        return done

    def pieces(self, at: int = 0) -> Iterator[memoryview]:
        """The bytes from a position to the end."""
        behind = self.size - len(self.END)
        while at < self.size:
            if at < len(self.start):
                piece = memoryview(self.start)[at:]
            elif at < behind:
                piece = memoryview(self.BLOCK)[(at - len(self.start)) % len(self.BLOCK) :][: behind - at]
            else:
                piece = memoryview(self.END)[at - behind :]
            yield piece
            at += len(piece)


class Sending:
    """A running upload service and its store, with the same bytes for both."""

    def __init__(self, place: Workplace, service: ServiceProcess, owner: Owner) -> None:
        self._place = place
        self._service = service
        self._token = owner.token
        self._storage = Storage.of_service(service.environment)
        self._bucket = self._storage.bucket
        self._s3: S3Client = self._storage.connect()

    async def large(self) -> Row:
        """Bytes a second of one file after the other."""
        size = self._place.scale.large * MIB
        ours, bare = [], []
        for _ in range(ROUNDS):  # in turns: what else the machine does meets both
            bare.append(await _clocked(asyncio.to_thread(self._transfer, Noise(size))))
            ours.append(await _clocked(self._upload(Noise(size))))
        self._place.say(f"s for {size / MIB:.0f} MiB: boto3 {_listed(bare)}, the service {_listed(ours)}")
        best, baseline = (size / MIB / min(each) for each in (ours, bare))
        return Row("upload_large", best, "MiB/s", ROUNDS, baseline, Aim("at least", 0.85))

    def _transfer(self, content: Noise) -> None:
        key = f"bench/{uuid4()}"
        self._s3.upload_fileobj(content, self._bucket, key)  # type: ignore[arg-type]  # its stubs want more than it does
        self._s3.delete_object(Bucket=self._bucket, Key=key)

    async def small(self) -> Row:
        """Files a second, so many at a time."""
        count = self._place.scale.small
        ours, bare = [], []
        for _ in range(ROUNDS):
            bare.append(await _clocked(asyncio.to_thread(self._put_all, count)))
            before = cpu_s(self._service.pid)
            ours.append(await _clocked(self.upload_all(self._service.url, count)))
            used = (cpu_s(self._service.pid) - before) / count
            self._place.say(f"{count / ours[-1]:.0f} files/s, a file takes {used * 1000:.1f} ms of the service's CPU")
        with self._bare_endpoint() as url:
            await self.upload_all(url, 4 * AT_ONCE)
            least = min([await _clocked(self.upload_all(url, count)) for _ in range(ROUNDS)])
        self._place.say(f"{count / least:.0f} files/s at an endpoint that reads the form and puts the file, no more")
        best, baseline = (count / min(each) for each in (ours, bare))
        return Row("upload_small", best, "files/s", ROUNDS * count, baseline, Aim("at least", 0.6))

    def _put_all(self, count: int) -> None:
        def put(content: bytes) -> None:
            self._s3.put_object(Bucket=self._bucket, Key=f"bench/{uuid4()}", Body=content)

        with ThreadPoolExecutor(AT_ONCE) as threads:
            for _ in threads.map(put, [Noise(SMALL_BYTES).read() for _ in range(count)]):
                pass

    @contextmanager
    def _bare_endpoint(self) -> Iterator[str]:
        """Its address; one process, as the service has."""
        port = free_port()
        environment = self._place.child_environment(**self._storage.environment())
        process = subprocess.Popen([sys.executable, "-m", "bench.bare_endpoint", str(port)], env=environment)
        url = f"http://127.0.0.1:{port}"
        try:
            _until_open(process, port)
            yield url
        finally:
            process.terminate()
            process.wait()

    async def upload_all(self, url: str, count: int) -> None:
        """Small files to that address, so many at a time."""
        contents = iter([Noise(SMALL_BYTES).read() for _ in range(count)])

        async def send() -> None:
            connection = Connection(url, self._token)
            await connection.open()
            for content in contents:
                status, answer = await connection.post_form("/api/v1/files", form(content))
                if status != 202:
                    raise RuntimeError(f"an upload was answered with {status}: {answer[:300]!r}")
            await connection.close()

        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(send())

    async def memory(self) -> Row:
        """How far the resident memory goes up for one large file, and for many at once; the more of both."""
        pid, rises = self._service.pid, []
        for count, size in ((1, LARGEST_BYTES), (CROWD, CROWD_BYTES)):
            rest = resident_mib(pid)
            forget_peak(pid)
            await asyncio.gather(*(self._upload(Noise(size)) for _ in range(count)))
            rises.append(peak_mib(pid) - rest)
            self._place.say(f"{count} of {size // MIB} MiB: {rest:.0f} MiB at rest, at most {rises[-1]:.0f} MiB more")
        return Row("upload_memory_mib", max(rises), "MiB", CROWD + 1, aim=Aim("at most", 64))

    async def _upload(self, content: Noise) -> None:
        await asyncio.to_thread(self._send, content)

    def _send(self, content: Noise) -> None:
        """Over a plain socket: HTTP libraries take processor time that is not the service's."""
        head, tail = form_around()
        address = urlsplit(self._service.url)
        with socket.create_connection((address.hostname, address.port)) as connection:
            connection.sendall(
                f"POST /api/v1/files HTTP/1.1\r\nHost: {address.netloc}\r\nAuthorization: Bearer {self._token}\r\n"
                f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n"
                f"Content-Length: {len(head) + content.size + len(tail)}\r\nConnection: close\r\n\r\n".encode()
            )
            connection.sendall(head)
            for piece in content.pieces():
                connection.sendall(piece)
            connection.sendall(tail)
            answer = b"".join(iter(lambda: connection.recv(4096), b""))
        if not answer.startswith(b"HTTP/1.1 202 "):
            raise RuntimeError(f"the upload was answered with {answer[:300]!r}")


async def uploads(place: Workplace) -> list[Row]:
    """Bytes a second of a large file; small files a second; how far the process' memory goes up."""
    with running_stack(place.new_folder("stack")) as stack:
        environment = {**stack.environment("upload"), "ASSAY_LOG__FORMAT": "json"}
        with running_service("upload", environment, place.new_folder("upload")) as service:
            await publish(environment, manifest(ANALYZER, ("image/*",), max_bytes=2 * LARGEST_BYTES))
            owner = Owner(service.url, environment)
            await owner.until_known({ANALYZER})
            sending = Sending(place, service, owner)
            await sending.upload_all(service.url, 4 * AT_ONCE)  # now everything is loaded, and all pools are full
            measures = {
                "upload_large": sending.large,
                "upload_small": sending.small,
                "upload_memory_mib": sending.memory,
            }
            return [await measure() for row, measure in measures.items() if place.wants(row)]


def _until_open(process: "subprocess.Popen[bytes]", port: int) -> None:
    while process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError("the bare endpoint did not start")


async def _clocked(work: Awaitable[object]) -> float:
    began = time.perf_counter()
    await work
    return time.perf_counter() - began


def _listed(seconds: Sequence[float]) -> str:
    return ", ".join(f"{each:.2f}" for each in seconds)
