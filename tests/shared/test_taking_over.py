"""Where to begin on a partition, and whose word counts."""

from aiokafka import TopicPartition
from aiokafka.structs import OffsetAndMetadata

from assay.shared.commit_metadata import Note, encode
from assay.shared.holding import HeldPartition
from assay.shared.taking_over import CAUTIOUS_RECORDS, Beginning, begin_at_commit, begin_at_told

ME, OTHER = 1, 2
PARTITION = TopicPartition("t", 0)


def commit(position: int, **note: object) -> OffsetAndMetadata:
    return OffsetAndMetadata(position, encode(Note(**note), position)[0])  # type: ignore[arg-type]


def begin(
    stored: OffsetAndMetadata | None, known: HeldPartition | None = None, first: int = 0, end: int = 1000
) -> Beginning:
    return begin_at_commit(PARTITION, stored, author=ME, first=first, end=end, known=known)


def holding(noted: bool = True) -> HeldPartition:
    """Offsets 10 to 13 taken, 12 finished."""
    held = HeldPartition(PARTITION, 10)
    for offset in range(10, 14):
        held.tracker.take(offset)
    held.tracker.finish(12)
    if noted:
        held.noted(held.version, 10, is_clean=False)
    return held


def test_a_new_group_begins_with_the_oldest_record() -> None:
    beginning = begin(None, first=7)
    assert (beginning.reads_from, beginning.held.tracker.position) == (7, 7)
    assert (beginning.held.suspects, beginning.held.cautious_below) == ({}, 0)


def test_a_partition_that_comes_back_is_recognised() -> None:
    held = holding()
    for stored in (commit(10, author=ME, next=14), commit(10, author=ME, next=14, is_clean=True)):
        beginning = begin(stored, held)
        assert beginning == Beginning(held, 14)
    # Nothing of it was ever committed: nobody else can have had it.
    fresh = holding(noted=False)
    assert begin(None, fresh) == Beginning(fresh, 14)


def test_what_this_member_knew_is_void_once_another_had_the_partition() -> None:
    """It was thought dead and was not told: its tracker says less than what is committed."""
    held = holding()
    beginning = begin(commit(20, author=OTHER, next=31, is_clean=True, finished=((25, 30),)), held)
    assert beginning.replaces is held
    assert beginning.held is not held
    assert beginning.reads_from == 20
    assert not beginning.held.tracker.take(27)
    assert (beginning.held.suspects, beginning.held.cautious_below) == ({}, 0)


def test_after_an_unclean_end_those_that_had_started_are_suspect() -> None:
    beginning = begin(commit(20, author=OTHER, next=31, started=(20, 24), suspects={22: 1}, finished=((25, 30),)))
    assert beginning.held.suspects == {20: 0, 22: 1, 24: 0}
    assert beginning.held.cautious_below == 1000
    assert begin(commit(20, author=OTHER, next=31), end=10**9).held.cautious_below == 31 + CAUTIOUS_RECORDS


def test_only_the_one_that_was_alone_is_blamed() -> None:
    beginning = begin(commit(20, author=OTHER, next=31, alone=22, started=(22,), suspects={22: 1, 23: 1}))
    assert beginning.held.suspects == {22: 2, 23: 1}


def test_this_process_did_not_crash_where_it_finds_its_own_note() -> None:
    """The commit before a rebalance failed; the partition went away and came back without another's commit."""
    beginning = begin(commit(20, author=ME, next=31, alone=22, started=(22,), suspects={22: 1}))
    assert beginning.held.suspects == {22: 1}
    assert beginning.held.cautious_below == 0


def test_a_topic_that_was_made_anew_is_read_from_its_beginning() -> None:
    assert begin(commit(500, author=OTHER, next=500), end=3).reads_from == 0


def test_what_the_log_no_longer_has_is_passed() -> None:
    beginning = begin(commit(20, author=OTHER, next=31, is_clean=True, finished=((25, 45),)), first=40)
    assert beginning.reads_from == 45


def test_positions_kept_elsewhere_win() -> None:
    held = holding()
    assert begin_at_told(PARTITION, 12, held) == Beginning(held, 14)
    assert begin_at_told(PARTITION, 40, held) == Beginning(held, 40)
    # Set back: what is done is asked for again.
    back = begin_at_told(PARTITION, 3, held)
    assert (back.reads_from, back.replaces) == (3, held)
    assert back.held.tracker.take(12)
