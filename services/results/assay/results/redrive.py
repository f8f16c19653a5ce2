"""Dead letters for operators: look at one, and let what failed be done again."""

import base64
from contextlib import suppress
from uuid import UUID

import structlog
from aiokafka.errors import KafkaError
from pydantic_core import from_json

from assay.results.dead_letters import DeadLetters
from assay.results.errors import BeingReplayedError, NotReplayableError, UnknownDeadLetterError
from assay.results.letters import LOGS, Letter
from assay.results.replays import Replays
from assay.results.requesting import RunRequests
from assay.results.schemas import (
    AnalysisOfLetter,
    DeadLetterDetail,
    DeadLetterList,
    DeadLetterView,
    HeaderView,
    ReplayView,
)
from assay.results.tables import Replay
from assay.shared.auth import Principal
from assay.shared.kafka import Publisher
from assay.shared.problems import UnavailableError

log = structlog.get_logger(__name__)


class Redrive:
    """Use cases of the topic `assay.dead-letters`."""

    def __init__(self, *, letters: DeadLetters, replays: Replays, requests: RunRequests, publisher: Publisher) -> None:
        self._letters = letters
        self._replays = replays
        self._requests = requests
        self._publisher = publisher

    async def newest(self, limit: int, *, group: str | None, cursor: str | None) -> DeadLetterList:
        """A page of letters, newest first; none about deleted files. Raises BadCursorError, UnavailableError."""
        page = await self._letters.newest(limit, group=group, cursor=cursor)
        erased = await self._replays.erased(page.letters)
        letters = [each for each in page.letters if each.file_id not in erased]
        replays = await self._replays.among(letters)
        items = [_view(each, replays.get((each.partition, each.offset))) for each in letters]
        return DeadLetterList(items=items, scanned=page.scanned, next_cursor=page.cursor)

    async def show(self, partition: int, offset: int) -> DeadLetterDetail:
        """Everything about one letter. Raises UnknownDeadLetterError, UnavailableError."""
        letter = await self._letter(partition, offset)
        return _detail(letter, await self._replays.of(letter))

    async def replay(self, operator: Principal, partition: int, offset: int) -> ReplayView:
        """Replay a letter, once: of the same failure again, it tells what was done the first time.

        Should this process die between doing it and noting it, a repetition does it again: for an analysis that is the
        same run, and for another record a redelivery, which every handler takes.
        Raises UnknownDeadLetterError, NotReplayableError, BeingReplayedError, UnavailableError.
        """
        letter = await self._letter(partition, offset)
        _check(letter)
        if (done := await self._replays.of(letter)) is not None:
            return _replayed(letter, done, repeated=True)
        if not await self._replays.claim(letter, operator.owner_id):
            if (done := await self._replays.of(letter)) is not None:
                return _replayed(letter, done, repeated=True)
            raise BeingReplayedError("Somebody else replays it at this moment. Look again in a minute.")
        try:
            run_id, run_number = await self._do(operator, letter)
        except BaseException:
            await self._replays.release(letter)
            raise
        done = await self._replays.finish(letter, run_id=run_id, run_number=run_number)
        log.info(
            "dead_letter_replayed",
            partition=partition,
            offset=offset,
            group=letter.group,
            way=letter.way,
            run_id=run_id and str(run_id),
            by=operator.owner_id,
        )
        return _replayed(letter, done, repeated=False)

    async def _letter(self, partition: int, offset: int) -> Letter:
        letter = await self._letters.letter(partition, offset)
        if await self._replays.erased([letter]):
            raise UnknownDeadLetterError(
                "It was about a file that is deleted: nothing of it is shown, nothing is done."
            )
        return letter

    async def _do(self, operator: Principal, letter: Letter) -> tuple[UUID | None, int | None]:
        if letter.analysis is not None:
            run = await self._requests.run(operator, letter.analysis, letter.replay_id)
            return run.run_id, run.run_number
        assert letter.place is not None
        try:
            await self._publisher.send(letter.place.topic, letter.key, letter.value, letter.headers_back)
        except (KafkaError, TimeoutError) as error:
            raise UnavailableError("Kafka did not take the record. Try again in a minute.") from error
        return None, None


def _check(letter: Letter) -> None:
    if letter.way is None:
        raise NotReplayableError(
            "It does not say which group gave up and where the record came from, or that topic is a table, in which "
            f"the latest record counts. Records go back to {', '.join(sorted(LOGS))}."
        )
    if letter.value == b"":
        raise NotReplayableError("It was too large to be kept, and its topic does not have the original any more.")


def _view(letter: Letter, replay: Replay | None) -> DeadLetterView:
    return DeadLetterView(
        partition=letter.partition,
        offset=letter.offset,
        group=letter.group,
        error=letter.error,
        attempts=letter.attempts,
        origin=letter.origin,
        at=letter.at,
        type=letter.type,
        key=letter.key.decode("utf-8", errors="replace"),
        replayed_at=None if replay is None else replay.replayed_at,
    )


def _detail(letter: Letter, replay: Replay | None) -> DeadLetterDetail:
    body = text = None
    if letter.value:
        try:
            body = from_json(letter.value)
        except ValueError:
            text = letter.value.decode("utf-8", errors="replace")
    event, analysis = letter.event, letter.analysis
    return DeadLetterDetail(
        **_view(letter, replay).model_dump(),
        headers=[_header(name, value) for name, value in letter.headers],
        size=len(letter.value or b""),
        tombstone=letter.value is None,
        body=body,
        text=text,
        file_id=None if event is None else event.file_id,
        owner_id=None if event is None else event.owner_id,
        analysis=None if analysis is None else AnalysisOfLetter(**analysis._asdict()),
        way=None if letter.value == b"" else letter.way,
    )


def _header(name: str, value: bytes | None) -> HeaderView:
    if value is None:
        return HeaderView(name=name, value=None)
    with suppress(UnicodeDecodeError):
        return HeaderView(name=name, value=value.decode())
    return HeaderView(name=name, value=None, base64=base64.b64encode(value).decode())


def _replayed(letter: Letter, replay: Replay, *, repeated: bool) -> ReplayView:
    assert letter.way is not None and letter.group is not None and replay.replayed_at is not None
    return ReplayView(
        way=letter.way,
        group=letter.group,
        file_id=None if letter.event is None else letter.event.file_id,
        run_id=replay.run_id,
        run_number=replay.run_number,
        replayed_at=replay.replayed_at,
        repeated=repeated,
    )
