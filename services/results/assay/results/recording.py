"""What events say of files, taken up in a ledger one after the other. Pure: nothing is read or written here.

No event concludes anything by itself. It notes which runs it concerns; they are settled once, when all events of a
batch are taken up.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, TypeGuard
from uuid import UUID

import structlog

from assay.contracts import (
    EVENTS,
    AnalysisExplained,
    Event,
    FileDeleted,
    FileDerived,
    FileUploaded,
    RunRequested,
)
from assay.contracts.analyses import AnalysisEvent
from assay.contracts.topics import VERDICTS
from assay.results import progressing
from assay.results.domain import TERMINAL, storable
from assay.results.ledger import Ledger, Wanted
from assay.results.rows import FileRow, RunRow
from assay.shared.outbox import Outgoing

log = structlog.get_logger(__name__)

InTrace = Callable[[], AbstractContextManager[None]]
"""Runs a block in a trace."""

FileNews = FileUploaded | FileDerived | RunRequested | FileDeleted | AnalysisEvent
"""The events that change rows. A report's own event, and feedback, change none."""
_NEWS = frozenset(event for event in EVENTS.values() if issubclass(event, FileNews))


def is_news(event: Event | None) -> TypeGuard[FileNews]:
    """True for an event that changes rows. By its exact type: to ask pydantic's classes takes far longer."""
    return type(event) in _NEWS


@dataclass(frozen=True, slots=True)
class Read:
    """One record as it was read. `event` is None for a tombstone and for what changes no row."""

    offset: int
    event: Event | None
    key: str = ""
    tombstone: bool = False
    in_trace: InTrace = nullcontext


@dataclass(frozen=True, slots=True)
class Slice:
    """Records of one partition, one or more, in their order."""

    topic: str
    partition: int
    topic_id: UUID
    reads: Sequence[Read]


def wanted(events: Iterable[FileNews]) -> Wanted:
    """What must be known before these events are taken up."""
    found = Wanted()
    for event in events:
        found.file_ids.add(event.file_id)
        # Those that are many come first.
        if isinstance(event, AnalysisEvent):
            found.run_ids.add(event.run_id)
            found.analyses.add((event.run_id, event.analyzer))
            continue
        match event:
            case FileDeleted():
                found.may_go.add(event.file_id)
            case FileDerived():
                # Who deletes the parent meanwhile either sees this file, or is seen here.
                found.file_ids.add(event.parent_file_id)
                found.may_go.add(event.file_id)
                _want_run(found, event)
            case RunRequested():
                _want_run(found, event)
    return found


def _want_run(found: Wanted, event: RunRequested | FileDerived) -> None:
    found.run_ids.add(event.run_id)
    found.analyses.update((event.run_id, name) for name in event.plan)


class Recording:
    """Takes up events and remembers which runs they concern."""

    def __init__(self, ledger: Ledger, outgoing: Outgoing) -> None:
        self._ledger = ledger
        self._outgoing = outgoing
        self.concerned: dict[UUID, InTrace] = {}
        """Runs, each with the trace of its last news."""
        self._in_trace: InTrace = nullcontext

    def record(self, event: FileNews, in_trace: InTrace) -> None:
        """Take up one event."""
        self._in_trace = in_trace
        if self._ledger.is_deleted(event.file_id):
            if isinstance(event, FileDerived):  # deleted before it was announced: a parent may wait for it in vain
                self._concern_parent(event.parent_file_id)
            return
        if isinstance(event, AnalysisEvent):
            if isinstance(event, AnalysisExplained):
                self._explain(event)
            else:
                self._analysis(event)
            return
        match event:
            case FileDeleted():
                self._delete(event.file_id)
            case FileUploaded():
                self._upload(event)
            case FileDerived():
                self._derive(event)
            case RunRequested():
                self._plan(event, run_number=event.run_number)

    def _concern(self, run: RunRow) -> None:
        self.concerned[run.run_id] = self._in_trace

    def _concern_parent(self, parent_id: UUID | None) -> None:
        if parent_id is not None:
            for run in self._ledger.open_runs(parent_id):
                self._concern(run)

    def _upload(self, event: FileUploaded) -> None:
        file = self._ledger.file(event.file_id, event.owner_id)
        file.filename = storable(event.filename)
        file.media_type = event.media_type
        file.size = event.size
        file.sha256 = event.sha256
        file.created_at = event.occurred_at
        _describe(file, event.metadata)

    def _derive(self, event: FileDerived) -> None:
        if self._ledger.is_deleted(event.parent_file_id):
            self._delete(event.file_id)
            return
        file = self._ledger.file(event.file_id, event.owner_id)
        if file.derived_run_id not in (None, event.run_id):
            log.warning("derived_twice", file_id=str(event.file_id), run_id=str(event.run_id))
            return
        file.derived_run_id = event.run_id
        file.parent_file_id = event.parent_file_id
        file.parent_run_id = event.parent_run_id
        file.derived_by = event.derived_by
        file.depth = event.depth
        file.created_at = min(file.created_at or event.occurred_at, event.occurred_at)
        self._plan(event, run_number=1)

    def _plan(self, event: RunRequested | FileDerived, *, run_number: int) -> None:
        file = self._ledger.file(event.file_id, event.owner_id)
        file.media_type, file.size, file.sha256 = event.media_type, event.size, event.sha256
        run = self._ledger.run(event.run_id, event.file_id, event.owner_id)
        # A request may come twice, by either lane. The earlier one counts, in whatever order they are read.
        if run.requested_at is None or event.occurred_at < run.requested_at:
            run.run_number = run_number
            run.plan = list(event.plan)
            run.requested_at = event.occurred_at
            run.deadline = event.deadline
            for name in event.plan:
                self._ledger.analysis(run, name).queued_at = event.occurred_at
        self._concern(run)

    def _delete(self, file_id: UUID) -> None:
        """Clear a file and all that was found inside it; a parent that waits for it need not wait any longer."""
        file = self._ledger.known_file(file_id)
        parent_id = file.parent_file_id if file is not None else None
        pending = [file_id]
        while pending:
            each = pending.pop()
            pending.extend(self._ledger.found_in(each))
            self._ledger.forget(each)
            # From here, and not from upload: only so it follows every report that is still in this outbox.
            with self._in_trace():
                self._outgoing.add_tombstone(VERDICTS.name, str(each))
        self._concern_parent(parent_id)

    def _analysis(self, event: AnalysisEvent) -> None:
        self._ledger.file(event.file_id, event.owner_id)
        run = self._ledger.run(event.run_id, event.file_id, event.owner_id)
        if self._ledger.known_analysis(run.run_id, event.analyzer) is None and _is_over(run, event.analyzer):
            return
        analysis = self._ledger.analysis(run, event.analyzer)
        if analysis.status in TERMINAL:
            return
        progressing.apply(analysis, event)
        self._concern(run)

    def _explain(self, event: AnalysisExplained) -> None:
        """The artifacts of a verdict that did not wait for them. No run and no report depends on it.

        It makes no row: where its `completed` was not read, or came second, there is no verdict that lacks them.
        """
        analysis = self._ledger.known_analysis(event.run_id, event.analyzer)
        if analysis is not None and analysis.artifacts_follow:
            progressing.explain(analysis, event)


def _is_over(run: RunRow, analyzer: str) -> bool:
    """True for an analysis that a report rests on: where it has no row, its month was dropped."""
    return run.completed_at is not None and run.plan is not None and analyzer in run.plan


def _describe(file: FileRow, metadata: Mapping[str, Any]) -> None:
    """What its owner says of it. PostgreSQL gives JSON back in other words: the same is no change."""
    said = storable(metadata)
    if file.metadata is None or json.loads(file.metadata) != said:
        file.metadata = json.dumps(said)
