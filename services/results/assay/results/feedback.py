"""What people say that files really are: given, replaced, withdrawn; and how often each analyzer had said the same.

One per person and file, the latest. It changes no report. With it is kept what the person had before them, the labels
of that run, so that it still means the same when a later run says something else.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog

from assay.contracts import FeedbackRecorded, FeedbackWithdrawn
from assay.results import statements
from assay.results.errors import NoFeedbackError, UnknownAnalysisError, UnknownRunError
from assay.results.schemas import Confusion, ConfusionCell, ConfusionTable, FeedbackBody, FeedbackView
from assay.shared.clock import now
from assay.shared.database import Driver, DriverTransaction
from assay.shared.ids import new_id
from assay.shared.outbox import Outbox
from assay.shared.problems import UnknownFileError

log = structlog.get_logger(__name__)

MEDIA_LABELS = frozenset({"manipulated", "synthetic"})
"""Who can say one of these is judged by `authentic`, too, though it never says it without proof."""

_STANDING = """
    SELECT person, feedback_id, label, analyzer, note, run_number, recorded_at FROM feedback
    WHERE file_id = $1 AND person = $2
"""
_OWNER = "SELECT owner_id, run_id FROM files WHERE file_id = $1"
_RUN = """
    SELECT run_id, run_number, label FROM runs WHERE file_id = $1
    AND CASE WHEN $2::int IS NULL THEN run_id = $3 ELSE run_number = $2 END
    LIMIT 1
"""
_SAID = "SELECT analyzer, version, label, score FROM analyses WHERE run_id = $1 AND label IS NOT NULL"
_RECORD = """
    INSERT INTO feedback
        (file_id, person, feedback_id, owner_id, label, analyzer, note, run_id, run_number, said, recorded_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
    ON CONFLICT (file_id, person) DO UPDATE SET
        feedback_id = excluded.feedback_id, label = excluded.label, analyzer = excluded.analyzer, note = excluded.note,
        run_id = excluded.run_id, run_number = excluded.run_number, said = excluded.said,
        recorded_at = excluded.recorded_at
"""
_WITHDRAW = "DELETE FROM feedback WHERE file_id = $1 AND person = $2 RETURNING feedback_id"
_COUNT = "SELECT count(*) FROM feedback WHERE recorded_at >= $1 AND recorded_at < $2"
# Of feedback about one analyzer's verdict, only that verdict counts.
_CONFUSION = """
    SELECT each.key AS analyzer, each.value ->> 'label' AS said, feedback.label AS given,
        feedback.analyzer IS NOT NULL AS named, count(*) AS number
    FROM feedback, jsonb_each(feedback.said -> 'analyses') AS each
    WHERE recorded_at >= $1 AND recorded_at < $2 AND (feedback.analyzer IS NULL OR feedback.analyzer = each.key)
    GROUP BY 1, 2, 3, 4
"""
_CONFUSION_OF_REPORTS = """
    SELECT said ->> 'report' AS said, label AS given, count(*) AS number FROM feedback
    WHERE recorded_at >= $1 AND recorded_at < $2 AND analyzer IS NULL AND said ->> 'report' IS NOT NULL
    GROUP BY 1, 2
"""
_LABELS = "SELECT name, manifest -> 'labels' AS labels FROM analyzers"


class Feedback:
    """Use cases about feedback. Reading it with a file is `showing`."""

    def __init__(self, *, transaction: DriverTransaction, seeing: DriverTransaction, outbox: Outbox) -> None:
        self._transaction = transaction
        self._seeing = seeing
        self._outbox = outbox

    async def record(self, person: str, file_id: UUID, body: FeedbackBody) -> FeedbackView:
        """Keep it and publish it. The same said again, as by a retry, changes nothing.

        Raises UnknownFileError, UnknownRunError, UnknownAnalysisError.
        """
        async with self._transaction() as driver:
            newest = await self._lock(driver, person, file_id)
            run = await driver.fetchrow(_RUN, file_id, body.run_number, newest)
            if run is None and body.run_number is not None:
                raise UnknownRunError(f"This file has no run {body.run_number}. Leave it out for the newest.")
            rows = [] if run is None else await driver.fetch(_SAID, run["run_id"])
            said = {row["analyzer"]: {name: row[name] for name in ("version", "label", "score")} for row in rows}
            if body.analyzer is not None and body.analyzer not in said:
                raise UnknownAnalysisError(
                    f"This run has no verdict of {body.analyzer}. It has those of: {', '.join(sorted(said)) or 'none'}."
                )
            event = FeedbackRecorded(
                file_id=file_id,
                owner_id=person,
                occurred_at=now(),
                feedback_id=new_id(),
                person=person,
                label=body.label,
                analyzer=body.analyzer,
                note=body.note,
                run_id=None if run is None else run["run_id"],
                run_number=None if run is None else run["run_number"],
            )
            standing = await driver.fetchrow(_STANDING, file_id, person)
            if standing is not None and _means(standing) == _means(event.model_dump()):
                return view(standing)
            report = None if run is None else run["label"]
            await driver.execute(
                _RECORD,
                file_id,
                person,
                event.feedback_id,
                event.owner_id,
                event.label,
                event.analyzer,
                event.note,
                event.run_id,
                event.run_number,
                json.dumps({"report": report, "analyses": said}),
                event.occurred_at,
            )
            outgoing = self._outbox.outgoing()
            outgoing.add(event)
            await outgoing.write(driver)
        log.info("feedback_recorded", file_id=str(file_id), feedback_id=str(event.feedback_id))
        return view(event.model_dump() | {"recorded_at": event.occurred_at})

    async def withdraw(self, person: str, file_id: UUID) -> None:
        """Take it back. Raises UnknownFileError, NoFeedbackError."""
        async with self._transaction() as driver:
            await self._lock(driver, person, file_id)
            feedback_id = await driver.fetchval(_WITHDRAW, file_id, person)
            if feedback_id is None:
                raise NoFeedbackError("You have said nothing about this file, or it is withdrawn already.")
            outgoing = self._outbox.outgoing()
            outgoing.add(
                FeedbackWithdrawn(
                    file_id=file_id, owner_id=person, occurred_at=now(), feedback_id=feedback_id, person=person
                )
            )
            await outgoing.write(driver)
        log.info("feedback_withdrawn", file_id=str(file_id), feedback_id=str(feedback_id))

    async def _lock(self, driver: Driver, person: str, file_id: UUID) -> UUID | None:
        """Hold the file's lock, as whoever deletes it does, and tell its newest run."""
        await driver.execute(statements.LOCK_WITH_WHOLES, [file_id])
        file = await driver.fetchrow(_OWNER, file_id)
        if file is None or file["owner_id"] != person:
            raise UnknownFileError
        newest: UUID | None = file["run_id"]
        return newest

    async def confusion(self, since: datetime, until: datetime) -> Confusion:
        """What was said against what people say, over all owners, of feedback given from `since` until `until`."""
        async with self._seeing() as driver:
            total: int = await driver.fetchval(_COUNT, since, until)
            labels = {row["name"]: frozenset(row["labels"]) for row in await driver.fetch(_LABELS)}
            reports = await driver.fetch(_CONFUSION_OF_REPORTS, since, until)
            rows = await driver.fetch(_CONFUSION, since, until)
        cells: defaultdict[str, dict[tuple[str, str], int]] = defaultdict(dict)
        for row in rows:
            analyzer, pair = row["analyzer"], (row["said"], row["given"])
            if row["named"] or _can_judge(labels.get(analyzer), row["given"]):
                cells[analyzer][pair] = cells[analyzer].get(pair, 0) + row["number"]
        return Confusion(
            since=since,
            until=until,
            feedback=total,
            report=_table(None, {(row["said"], row["given"]): row["number"] for row in reports}),
            analyzers=[_table(name, cells[name]) for name in sorted(cells)],
        )


def view(row: Mapping[str, Any]) -> FeedbackView:
    """A row, or an event's fields with `recorded_at`, as an answer's body."""
    return FeedbackView(**{name: row[name] for name in FeedbackView.model_fields})


def _means(said: Mapping[str, Any]) -> Sequence[Any]:
    return [said[name] for name in ("label", "analyzer", "note", "run_number")]


def _can_judge(labels: frozenset[str] | None, given: str) -> bool:
    """Whether what a person said of a file tells anything about an analyzer with these labels.

    `spam` says nothing about one that looks for traces of editing. Of one that is at work no more we do not know.
    """
    return labels is None or given in labels or (given == "authentic" and bool(labels & MEDIA_LABELS))


def _table(analyzer: str | None, cells: Mapping[tuple[str, str], int]) -> ConfusionTable:
    ordered: Iterable[tuple[tuple[str, str], int]] = sorted(cells.items())
    return ConfusionTable(
        analyzer=analyzer,
        feedback=sum(cells.values()),
        agreed=sum(number for (said, given), number in cells.items() if said == given),
        cells=[ConfusionCell(said=said, given=given, number=number) for (said, given), number in ordered],
    )
