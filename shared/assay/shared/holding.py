"""One partition, as the member that holds it sees it: its records' state, and what its commits say."""

from collections.abc import Hashable
from dataclasses import dataclass

from aiokafka import ConsumerRecord, TopicPartition

from assay.shared import commit_metadata
from assay.shared.commit_metadata import Note
from assay.shared.offsets import OffsetTracker

CRASHES_ALLOWED = 3


class HeldPartition:
    """Made when a partition is assigned; lost for good when it goes to another member."""

    def __init__(
        self, partition: TopicPartition, start: int, note: Note | None = None, *, was_alive: bool = False
    ) -> None:
        """note: what its last holder left in its last commit; its crash is counted here.

        was_alive: that holder is this process, so it did not crash.
        """
        self.partition = partition
        self.tracker = OffsetTracker(start, note.finished if note else ())
        self.suspects: dict[int, int] = {}
        self.cautious_below = 0
        """Records below it start only once a commit names them: one of them may kill this process."""
        self.alone: int | None = None
        self.is_lost = False
        self.is_paused = True
        self.is_ready = False
        """It is known where to begin."""
        self.waiting = 0
        """Records taken and not with a handler."""
        self.waiting_bytes = 0
        self.has_room_for_notes = True
        self.noted_version = -1
        """`version` that a stored commit has told of."""
        self.noted_position = -1
        self.is_noted_clean = False
        self._alone_version = 0
        if note is not None:
            self._blame(note, was_alive=was_alive)

    def _blame(self, note: Note, *, was_alive: bool) -> None:
        self.suspects = dict(note.suspects)
        if note.is_clean or was_alive:
            return
        self.suspects |= {offset: 0 for offset in note.started if offset not in self.suspects}
        if note.alone is not None:
            self.suspects[note.alone] = self.suspects.get(note.alone, 0) + 1

    @property
    def version(self) -> int:
        """Rises with everything that a commit should tell."""
        return self.tracker.version + self._alone_version

    def runs_alone(self, offset: int | None) -> None:
        """Note which record is about to run alone; None: it came back."""
        self.alone = offset
        self._alone_version += 1

    def note(self, author: int, *, is_clean: bool) -> tuple[int, str]:
        """The offset to commit and the metadata with it."""
        position = self.tracker.position
        note = Note(
            author=author,
            next=self.tracker.next,
            is_clean=is_clean,
            alone=None if is_clean else self.alone,
            suspects={offset: crashes for offset, crashes in self.suspects.items() if offset >= position},
            started=() if is_clean else tuple(self.tracker.started),
            finished=tuple(self.tracker.finished()),
        )
        text, self.has_room_for_notes = commit_metadata.encode(note, position)
        return position, text

    def noted(self, version: int, position: int, *, is_clean: bool) -> None:
        """A commit that tells of this version is stored."""
        self.noted_version = max(self.noted_version, version)
        self.noted_position = position
        self.is_noted_clean = is_clean


@dataclass(slots=True, eq=False)
class Job:
    """One record on its way from intake to its end."""

    record: ConsumerRecord
    held: HeldPartition
    number: int
    lane: str
    turn: Hashable
    order: Hashable
    is_urgent: bool
    size: int
    crashes: int | None
    """None: not suspect. Else how often its process died while it ran alone."""
    attempt: int = 0
    failures: int = 0
    returns: int = 0
    is_single: bool = False
    """Not handled together with others: a batch with it has failed for good."""
    given_up_for: BaseException | None = None
    is_counted: bool = False
    """Among the dead letters that are limited."""
    since: float = 0.0
