"""Queries. As everywhere, the times of leases are PostgreSQL's own."""

from collections.abc import Iterable
from datetime import timedelta
from typing import cast
from uuid import UUID

from sqlalchemy import delete, func, select, tuple_, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession

from assay.shared.problems import Problem, as_body, of_body
from assay.upload.domain import AcceptedFile, FileStatus, Outcome
from assay.upload.idempotency.domain import Claim, Finished
from assay.upload.idempotency.tables import IdempotencyKeyRow as Key
from assay.upload.idempotency.tables import IdempotencyOutcomeRow as Row
from assay.upload.repository import stored_file
from assay.upload.tables import FileRow, RunRow


class KeyRepository:
    """Keys and outcomes."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def forget_expired(self, owner_id: str, key: str) -> None:
        """Delete a key whose answer is kept no longer. One whose request died stays: there may be files of it."""
        await self._session.execute(
            delete(Key).where(
                Key.owner_id == owner_id, Key.key == key, Key.fingerprint.is_not(None), Key.expires_at < func.now()
            )
        )

    async def take(self, owner_id: str, key: str, number: UUID, lease: timedelta) -> bool:
        """Claim a key that is new, or whose request died; False where it is another's, or has its answer."""
        taken = await self._session.execute(
            postgresql.insert(Key)
            .values(owner_id=owner_id, key=key, claim=number, expires_at=func.now() + lease)
            .on_conflict_do_update(
                index_elements=[Key.owner_id, Key.key],
                set_={"claim": number, "expires_at": func.now() + lease},
                where=Key.expires_at < func.now(),
            )
            .returning(Key.claim)
        )
        return taken.first() is not None

    async def finished(self, owner_id: str, key: str) -> Finished | None:
        """What the request came to; None while it runs, and where a file of it was erased since."""
        row = (
            await self._session.execute(
                select(Key.fingerprint, Key.files).where(Key.owner_id == owner_id, Key.key == key)
            )
        ).first()
        if row is None or row.fingerprint is None:
            return None
        outcomes = await self.outcomes(owner_id, key)
        if len(outcomes) != row.files:
            return None
        return Finished(row.fingerprint, [outcomes[position] for position in sorted(outcomes)])

    async def outcomes(self, owner_id: str, key: str) -> dict[int, Outcome]:
        """What came of each file, by its position."""
        rows = await self._session.execute(
            select(Row, FileRow, RunRow.plan)
            .outerjoin(FileRow, FileRow.file_id == Row.file_id)
            .outerjoin(RunRow, RunRow.run_id == Row.run_id)
            .where(Row.owner_id == owner_id, Row.key == key)
        )
        found: dict[int, Outcome] = {}
        for row, file, plan in rows:
            if row.problem is not None:
                found[row.position] = of_body(row.problem)
            else:
                assert row.run_id is not None
                found[row.position] = AcceptedFile(
                    stored_file(file),
                    row.run_id,
                    tuple(plan),
                    is_known=bool(row.is_known),
                    status=cast("FileStatus | None", row.status),
                )
        return found

    async def is_finished(self, owner_id: str, key: str) -> bool:
        found = await self._session.scalar(select(Key.fingerprint).where(Key.owner_id == owner_id, Key.key == key))
        return found is not None

    async def renew(self, claims: Iterable[Claim], lease: timedelta) -> None:
        """Say that the process of these requests is alive."""
        ours = [(each.owner_id, each.key, each.number) for each in claims]
        await self._session.execute(
            update(Key)
            .where(tuple_(Key.owner_id, Key.key, Key.claim).in_(ours), Key.fingerprint.is_(None))
            .values(expires_at=func.now() + lease)
        )

    async def lock(self, claim: Claim) -> bool:
        """Hold the key until the transaction ends; False where another request has taken it over."""
        found = await self._session.scalar(
            select(Key.claim)
            .where(Key.owner_id == claim.owner_id, Key.key == claim.key, Key.claim == claim.number)
            .with_for_update()
        )
        return found is not None

    async def note(self, claim: Claim, outcomes: dict[int, Outcome]) -> None:
        """Write what came of these files; what is written already stays."""
        if outcomes:
            await self._session.execute(
                postgresql.insert(Row)
                .values([_values(claim, *each) for each in outcomes.items()])
                .on_conflict_do_nothing()
            )

    async def finish(self, claim: Claim, fingerprint: str, files: int, kept_for: timedelta) -> None:
        """The request has its answer."""
        await self._session.execute(
            update(Key)
            .where(Key.owner_id == claim.owner_id, Key.key == claim.key, Key.claim == claim.number)
            .values(fingerprint=fingerprint, files=files, expires_at=func.now() + kept_for)
        )

    async def give_up(self, claim: Claim) -> None:
        """Let the key be taken by the next request; forget it where nothing came of this one."""
        ours = (Key.owner_id == claim.owner_id, Key.key == claim.key, Key.claim == claim.number)
        has_files = select(Row.position).where(
            Row.owner_id == claim.owner_id, Row.key == claim.key, Row.file_id.is_not(None)
        )
        await self._session.execute(delete(Key).where(*ours, ~has_files.exists()))
        await self._session.execute(update(Key).where(*ours).values(expires_at=func.now() - timedelta(seconds=1)))

    async def forget(self, owner_id: str, key: str) -> None:
        await self._session.execute(delete(Key).where(Key.owner_id == owner_id, Key.key == key))

    async def sweep(self, kept_for: timedelta) -> int:
        """Delete the keys whose answers are kept no longer, and those of requests that died as long ago."""
        swept = await self._session.execute(
            delete(Key)
            .where(
                (Key.fingerprint.is_not(None) & (Key.expires_at < func.now()))
                | (Key.expires_at < func.now() - kept_for)
            )
            .returning(Key.key)
        )
        return len(swept.all())


def _values(claim: Claim, position: int, outcome: Outcome) -> dict[str, object]:
    where = {"owner_id": claim.owner_id, "key": claim.key, "position": position}
    nothing = dict.fromkeys(("file_id", "run_id", "is_known", "status", "problem"))
    if isinstance(outcome, Problem):
        return {**where, **nothing, "problem": as_body(outcome)}
    return {
        **where,
        **nothing,
        "file_id": outcome.file.file_id,
        "run_id": outcome.run_id,
        "is_known": outcome.is_known,
        "status": outcome.status,
    }
