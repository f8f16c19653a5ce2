"""Killed between the steps of erasing: the file is whole, or it is erased to its end by others.

The process is the real service. A proxy in front of PostgreSQL or S3 stops it, and there it is killed.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit
from uuid import UUID

import httpx
import pytest
from support.proxies import StoppingProxy
from support.services import ServiceProcess
from support.topics import Received, reading
from support.uploads import Owner, Storage, eventually, jpeg

pytestmark = pytest.mark.proof

LEASE_S = 4
LANES = ("assay.files", "assay.files.bulk")
DELETED = b"assay.file.deleted.v1"
COMMIT = (b"INSERT INTO erasures", b"COMMIT")
DELETE = (b"DELETE /assay/files/",)


@dataclass(frozen=True)
class Moment:
    """Where the process is stopped. after: when the other side has done it, and the process does not know."""

    before: Literal["database", "s3"]
    said: tuple[bytes, ...]
    after: bool
    is_erased: bool = True


MOMENTS = {
    "about to commit": Moment("database", COMMIT, after=False, is_erased=False),
    "committed": Moment("database", COMMIT, after=True),
    "an object deleted": Moment("s3", DELETE, after=True),
}
VARIABLES = {"database": "ASSAY_DATABASE__URL", "s3": "ASSAY_S3__ENDPOINT_URL"}


async def ask_to_erase(url: str, owner: Owner, file_id: UUID) -> httpx.Response:
    async with httpx.AsyncClient(timeout=30, headers=owner.headers) as client:
        return await client.delete(f"{url}/api/v1/files/{file_id}")


async def erase_and_die(moment: Moment, owner: Owner, environment: dict[str, str], storage: Storage, log: Path) -> UUID:
    """A process of its own is asked to erase a file, and killed at this moment; returns the file."""
    server = environment[VARIABLES[moment.before]]
    address = urlsplit(server)
    async with StoppingProxy(server, moment.said, after=moment.after).listening() as proxy:
        through = server.replace(f"{address.hostname}:{address.port}", f"127.0.0.1:{proxy.port}")
        own = {VARIABLES[moment.before]: through, "ASSAY_SLOT": "50", "ASSAY_INTENT_LEASE": str(LEASE_S)}
        victim = ServiceProcess("upload", {**environment, **own}, log)
        await asyncio.to_thread(victim.start)
        try:
            stopped = asyncio.create_task(proxy.until_stopped())
            # Another replica may be faster with the folder: then there is another file.
            for _ in range(5):
                file_id = UUID((await owner.send(jpeg())).json()["file_id"])
                storage.put(f"files/{file_id}/runs/map.png", b"heat")
                asking = asyncio.create_task(ask_to_erase(victim.url, owner, file_id))
                await asyncio.wait({stopped}, timeout=10)
                if stopped.done():
                    break
                await asking
            assert stopped.done(), "it was not stopped"
        finally:
            stopped.cancel()
            victim.kill()
    with suppress(httpx.TransportError):
        await asking
    return file_id


@pytest.mark.parametrize("moment", MOMENTS.values(), ids=MOMENTS.keys())
async def test_killed_between_two_steps_a_file_is_whole_or_erased_to_its_end(
    moment: Moment, replica: ServiceProcess, environment: dict[str, str], storage: Storage, tmp_path: Path
) -> None:
    owner = Owner(replica.url, environment)
    async with reading(environment, *LANES) as reader:
        file_id = await erase_and_die(moment, owner, environment, storage, tmp_path / "victim.log")
        if not moment.is_erased:
            assert len(await storage.files(owner)) == 1
            assert f"files/{file_id}/content" in storage.keys()  # noqa: SIM118 - not a dict
            # Whoever asks again is heard.
            assert (await ask_to_erase(replica.url, owner, file_id)).status_code == 202

        async def gone() -> bool:
            return not any(each.startswith(f"files/{file_id}/") for each in storage.keys())  # noqa: SIM118 - not a dict

        await eventually(gone, seconds=30)
        assert (await ask_to_erase(replica.url, owner, file_id)).status_code == 202
        assert await storage.files(owner) == []

        def is_told(records: list[Received]) -> bool:
            key = str(file_id).encode()
            return any(each.key == key and dict(each.headers).get("ce_type") == DELETED for each in records)

        await reader.wait_until(is_told)
