"""The text that stands for positions: there and back, and what is refused."""

from uuid import UUID, uuid4

import pytest

from assay.notify.errors import ForeignPositionError
from assay.notify.position import Layout, later

LAYOUT = Layout((uuid4(), uuid4(), uuid4()))
FILE = UUID("01900000-0000-7000-8000-000000000001")


@pytest.mark.parametrize("first", [0, 126, 2**14 - 3, 2**31, 2**62])
def test_an_owner_s_positions_come_back(first: int) -> None:
    positions = tuple(range(first, first + 36))
    cursor = LAYOUT.everything.decode(LAYOUT.everything.encode(positions))
    assert (cursor.positions, cursor.finished) == (positions, False)


def test_a_file_needs_its_partitions_only() -> None:
    view = LAYOUT.of_file(FILE)
    assert len(view.slots) == 3
    # The same key lies in the same partition of every topic.
    assert len({slot % 12 for slot in view.slots}) == 1
    cursor = view.decode(view.encode(range(1000, 1036), finished=True))
    assert cursor.finished
    assert [cursor.positions[slot] for slot in view.slots] == [1000 + slot for slot in view.slots]
    assert len(view.encode(range(1000, 1036))) <= 20
    assert len(LAYOUT.everything.encode(range(1000, 1036))) <= 110


def test_what_is_not_ours_is_refused() -> None:
    view, everything = LAYOUT.of_file(FILE), LAYOUT.everything
    good = view.encode([5] * 36)
    foreign = [
        "", "x", "ä", "====", good[:-1], good + "AAAA", good[:-2] + "gA", "B" + good[1:], everything.encode([5] * 36),
        Layout((uuid4(), *LAYOUT.ids[1:])).of_file(FILE).encode([5] * 36), "A" * 5000,
    ]  # fmt: skip
    for text in foreign:
        with pytest.raises(ForeignPositionError):
            view.decode(text)


def test_later_is_slot_by_slot() -> None:
    assert later((1, 5, 3), (2, 4, 3)) == (2, 5, 3)
