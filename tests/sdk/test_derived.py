"""What an analyzer takes out of a file stays within the room that it has, and says what it left out."""

import io
import pickle

import pytest

from assay.sdk import NO_ROOM, TOO_LARGE, UNREADABLE, DerivedFile, Members, Room

MEGABYTE = 1 << 20


class Zeros:
    """A member that never ends; counts what was read of it."""

    def __init__(self) -> None:
        self.read_bytes = 0

    def read(self, size: int, /) -> bytes:
        self.read_bytes += size
        return bytes(size)


def texts(members: Members) -> list[str]:
    return [each.text for each in members.evidence()]


def test_members_are_kept_in_order_and_empty_ones_and_copies_are_not() -> None:
    members = Members(Room(files=3, bytes=100))
    added = [members.add(io.BytesIO(data)) for data in (b"one", b"", b"two", b"one", b"three")]
    assert added == [True, False, True, True, True]
    assert [bytes(each.data) for each in members.files] == [b"one", b"two", b"three"]
    assert (members.is_full, members.left_out, texts(members)) == (True, 0, [])


def test_what_is_beyond_the_number_is_left_out() -> None:
    members = Members(Room(files=2, bytes=100))
    for number in range(5):
        members.add(io.BytesIO(b"%d" % number))
    members.leave_out(10)
    assert len(members.files) == 2
    assert texts(members) == ["13 of 15 files inside were not examined: 13 more than may be taken out of this file."]


def test_a_member_without_end_is_read_as_far_as_there_is_room_and_no_further() -> None:
    members, stream = Members(Room(files=9, bytes=3 * MEGABYTE)), Zeros()
    assert not members.add(stream)
    assert stream.read_bytes == 3 * MEGABYTE + 1
    assert members.add(io.BytesIO(b"x" * MEGABYTE))
    assert not members.add(stream)
    assert members.is_full
    assert stream.read_bytes < 2 * 3 * MEGABYTE + 2
    assert not members.add(stream)
    assert texts(members) == ["3 of 4 files inside were not examined: 3 larger than may be taken out of this file."]


def test_a_member_that_says_it_is_too_large_is_not_read() -> None:
    members, stream = Members(Room(files=9, bytes=MEGABYTE)), Zeros()
    assert not members.add(stream, size=10_000 * MEGABYTE)
    assert (stream.read_bytes, members.left_out, members.is_full) == (0, 1, False)


def test_damaged_members_are_named_apart() -> None:
    members = Members(Room(files=9, bytes=MEGABYTE))
    members.add(io.BytesIO(b"fine"))
    members.leave_out(2, reason=UNREADABLE)
    members.leave_out(reason=TOO_LARGE)
    assert texts(members) == [
        "3 of 4 files inside were not examined: 2 could not be read, 1 larger than may be taken out of this file."
    ]


def test_without_room_nothing_is_read() -> None:
    members, stream = Members(NO_ROOM), Zeros()
    assert members.is_full
    assert not members.add(stream)
    assert (stream.read_bytes, members.left_out) == (0, 1)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_the_bytes_travel_beside_the_pickle(kind: type) -> None:
    buffers: list[pickle.PickleBuffer] = []
    file = DerivedFile(kind(bytes(range(256)) * 4096))
    data = pickle.dumps({"members": (file,)}, protocol=5, buffer_callback=buffers.append)
    assert len(data) < 300
    assert [len(each.raw()) for each in buffers] == [MEGABYTE]
    (again,) = pickle.loads(data, buffers=[each.raw() for each in buffers])["members"]  # noqa: S301 - made here
    assert again == file
    # Small ones travel inside.
    assert pickle.loads(pickle.dumps(file, protocol=5)) == file  # noqa: S301
    assert pickle.loads(pickle.dumps(file, protocol=4)) == file  # noqa: S301
