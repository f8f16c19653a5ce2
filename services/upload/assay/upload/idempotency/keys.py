"""Who works on a request with a key, and what such a request has come to.

The row of a key is claimed before the body is read, and the claim is renewed while its process lives. What came of a
file is written in the transaction that announces the file; so a request that died in the middle goes on where it was
when it is sent again, and makes no file twice, not even a forced one.
"""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from assay.shared.database import Transaction
from assay.shared.ids import new_id
from assay.shared.tasks import end
from assay.upload.domain import AcceptedFile, Outcome
from assay.upload.idempotency.domain import Claim, Finished
from assay.upload.idempotency.errors import KeyInUseError
from assay.upload.idempotency.repository import KeyRepository
from assay.upload.outages import storage_errors

log = structlog.get_logger(__name__)

KEPT = timedelta(hours=24)
RETRY_AFTER_S = 2


class IdempotencyKeys:
    """The keys of all owners, and the claims that this process holds."""

    def __init__(self, *, transaction: Transaction, lease: timedelta) -> None:
        """lease: a request whose process was silent for so long has died."""
        self._transaction = transaction
        self._lease = lease
        self._claims: dict[tuple[str, str], Claim] = {}
        self._giving_up: set[asyncio.Task[None]] = set()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Renew and sweep from now on."""
        self._tasks = [
            asyncio.create_task(self._renew_for_ever(), name="renew claims to keys"),
            asyncio.create_task(self._sweep_for_ever(), name="sweep keys"),
        ]

    async def stop(self) -> None:
        """Claims that are held end with their lease."""
        if self._giving_up:
            await asyncio.wait(self._giving_up, timeout=5)
        await end(*self._tasks)

    async def claim(self, owner_id: str, key: str) -> Claim | Finished:
        """The right to work on this request, or what it has come to already.

        Raises KeyInUseError while another one works on it.
        """
        number = new_id()
        with storage_errors("The database does not answer. Send the request again, with the same key."):
            async with self._transaction() as session:
                keys = KeyRepository(session)
                await keys.forget_expired(owner_id, key)
                if not await keys.take(owner_id, key, number, self._lease):
                    if not await keys.is_finished(owner_id, key):
                        raise _in_use("Another request with this key is being worked on. Send it again in a moment.")
                    finished = await keys.finished(owner_id, key)
                    if finished is not None:
                        return finished
                    # A file of it was erased: with that the key has ended.
                    await keys.forget(owner_id, key)
                    if not await keys.take(owner_id, key, number, self._lease):
                        raise _in_use("Another request with this key is being worked on. Send it again in a moment.")
                outcomes = await keys.outcomes(owner_id, key)
        earlier = {position: each for position, each in outcomes.items() if isinstance(each, AcceptedFile)}
        claim = Claim(owner_id, key, number, earlier)
        self._claims[owner_id, key] = claim
        return claim

    async def note(self, session: AsyncSession, claim: Claim, position: int, outcome: AcceptedFile) -> None:
        """Write what came of a file, in the transaction that announces it. Raises KeyInUseError after a take-over."""
        keys = KeyRepository(session)
        if not await keys.lock(claim):
            raise _in_use("The request was silent for too long, and another one with this key has taken over.")
        await keys.note(claim, {position: outcome})

    async def finish(self, claim: Claim, fingerprint: str, outcomes: Sequence[Outcome]) -> None:
        """Keep the answer for 24 hours.

        Where the database has gone away meanwhile, the files are noted all the same: the request is answered, and sent
        again after the lease it finds them.
        """
        self._release(claim)
        try:
            async with self._transaction() as session:
                keys = KeyRepository(session)
                if await keys.lock(claim):
                    await keys.note(claim, dict(enumerate(outcomes)))
                    await keys.finish(claim, fingerprint, len(outcomes), KEPT)
        except Exception as error:
            log.warning("answer_not_kept", reason=str(error) or type(error).__name__)

    async def give_up(self, claim: Claim) -> None:
        """The request was refused or broke off: the key is free. Also while the caller is being cancelled."""
        self._release(claim)
        task = asyncio.create_task(self._give_up(claim), name="give a key up")
        self._giving_up.add(task)
        task.add_done_callback(self._giving_up.discard)
        await asyncio.shield(task)

    async def _give_up(self, claim: Claim) -> None:
        try:
            async with self._transaction() as session:
                await KeyRepository(session).give_up(claim)
        except Exception as error:  # PostgreSQL is away: the claim ends with its lease
            log.warning("key_not_given_up", reason=str(error) or type(error).__name__)

    def _release(self, claim: Claim) -> None:
        if self._claims.get((claim.owner_id, claim.key)) is claim:
            del self._claims[claim.owner_id, claim.key]

    async def _renew_for_ever(self) -> None:
        while True:
            await asyncio.sleep(self._lease.total_seconds() / 4)
            if not self._claims:
                continue
            try:
                async with self._transaction() as session:
                    await KeyRepository(session).renew(list(self._claims.values()), self._lease)
            except Exception as error:  # PostgreSQL is away: nobody can take over either
                log.warning("claim_not_renewed", reason=str(error) or type(error).__name__)

    async def _sweep_for_ever(self) -> None:
        while True:
            try:
                async with self._transaction() as session:
                    swept = await KeyRepository(session).sweep(KEPT)
                if swept:
                    log.info("idempotency_keys_swept", keys=swept)
            except Exception as error:
                log.warning("sweep_postponed", reason=str(error) or type(error).__name__)
            await asyncio.sleep(self._lease.total_seconds() / 2)


def _in_use(told: str) -> KeyInUseError:
    return KeyInUseError(told, headers={"Retry-After": str(RETRY_AFTER_S)})
