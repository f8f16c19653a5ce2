"""People who upload all the while, and keep their receipts."""

import asyncio
import random
from dataclasses import dataclass, field
from uuid import UUID

import httpx

from chaos.analyzers import POISON

RETRY_S = 0.5
TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class Receipt:
    """A 202, or a 200 for what a request that broke off had brought in: the file is Assay's to answer for."""

    file_id: UUID
    run_id: UUID
    plan: tuple[str, ...]
    is_poison: bool


@dataclass(slots=True)
class Uploaders:
    """Send texts until as many were accepted as wanted; whatever is refused or broken off is sent again."""

    url: str
    token: str
    files: int
    seconds: float
    """Over which the uploads are spread."""
    receipts: list[Receipt] = field(default_factory=list)
    broken_off: int = 0

    async def run(self, people: int) -> None:
        """Upload. One of the files, a third of the way along, is poison."""
        numbers = iter(range(self.files))
        pause = self.seconds * people / self.files
        headers = {"Authorization": f"Bearer {self.token}"}
        async with httpx.AsyncClient(base_url=self.url, headers=headers, timeout=TIMEOUT_S) as client:

            async def upload_on() -> None:
                for number in numbers:
                    is_poison = number == self.files // 3
                    content = f"{POISON if is_poison else 'An innocent text.'} It is number {number}.\n" * 3
                    self.receipts.append(await self._until_accepted(client, content, is_poison))
                    await asyncio.sleep(pause * random.uniform(0.5, 1.5))

            await asyncio.gather(*(upload_on() for _ in range(people)))

    async def _until_accepted(self, client: httpx.AsyncClient, content: str, is_poison: bool) -> Receipt:
        while True:
            try:
                answer = await client.post("/api/v1/files", files={"file": ("text.txt", content.encode())})
                if answer.status_code in (httpx.codes.ACCEPTED, httpx.codes.OK):
                    body = answer.json()
                    return Receipt(UUID(body["file_id"]), UUID(body["run_id"]), tuple(body["plan"]), is_poison)
            except httpx.HTTPError:
                pass
            # No receipt: it may have been stored all the same. Sent again, the same bytes must be no second file.
            self.broken_off += 1
            await asyncio.sleep(RETRY_S)
