"""What was replayed is remembered, so that it is replayed once."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import func, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert

from assay.results.letters import Letter
from assay.results.tables import DeletedFile, Replay
from assay.shared.database import Transaction

# Longer than a record may take to be acknowledged, or a service to answer.
CLAIM = timedelta(seconds=60)


class Replays:
    """The table of replays. Times are PostgreSQL's own, so that replicas with different clocks agree."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    async def erased(self, letters: Iterable[Letter]) -> set[UUID]:
        """Files that were deleted, among those that these letters are about."""
        about = {each.file_id for each in letters if each.file_id is not None}
        if not about:
            return set()
        async with self._transaction() as session:
            return set(await session.scalars(select(DeletedFile.file_id).where(DeletedFile.file_id.in_(about))))

    async def claim(self, letter: Letter, by: str) -> bool:
        """Say that this process replays the letter now; False where it was replayed, or somebody else is at it.

        A claim ends by itself: who made it may have died.
        """
        values = {
            "partition": letter.partition,
            "offset": letter.offset,
            "origin": None if letter.origin is None else letter.origin.replace("\x00", ""),
            "replayed_by": by,
            "claimed_until": func.now() + CLAIM,
        }
        statement = (
            insert(Replay)
            .values(replay_id=letter.replay_id, **values)
            .on_conflict_do_update(
                index_elements=[Replay.replay_id],
                set_=values,
                where=Replay.replayed_at.is_(None) & (Replay.claimed_until < func.now()),
            )
            .returning(Replay.replay_id)
        )
        async with self._transaction() as session:
            return (await session.execute(statement)).first() is not None

    async def finish(self, letter: Letter, *, run_id: UUID | None, run_number: int | None) -> Replay:
        """Say that it is done."""
        async with self._transaction() as session:
            await session.execute(
                update(Replay)
                .where(Replay.replay_id == letter.replay_id)
                .values(replayed_at=func.now(), run_id=run_id, run_number=run_number)
            )
            return await session.get_one(Replay, letter.replay_id)

    async def release(self, letter: Letter) -> None:
        """Give a claim up: the replay failed, and may be tried again at once."""
        async with self._transaction() as session:
            await session.execute(
                update(Replay)
                .where(Replay.replay_id == letter.replay_id, Replay.replayed_at.is_(None))
                .values(claimed_until=func.now())
            )

    async def of(self, letter: Letter) -> Replay | None:
        """The replay of this failure, where it is done."""
        async with self._transaction() as session:
            found = await session.get(Replay, letter.replay_id)
            return found if found is not None and found.replayed_at is not None else None

    async def among(self, letters: Sequence[Letter]) -> dict[tuple[int, int], Replay]:
        """Replays of these letters that are done, by where they lie."""
        if not letters:
            return {}
        origins = {(each.partition, each.offset): each.origin for each in letters}
        async with self._transaction() as session:
            found = await session.scalars(
                select(Replay).where(
                    Replay.replayed_at.is_not(None), tuple_(Replay.partition, Replay.offset).in_(list(origins))
                )
            )
            # A topic that was made anew has other letters at the same places.
            return {
                (each.partition, each.offset): each
                for each in found
                if each.origin == origins[each.partition, each.offset]
            }
