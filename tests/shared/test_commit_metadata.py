"""What rides in a commit: it says what it was told, in 4096 characters, and nothing else reads as a note."""

import random

import pytest

from assay.shared.commit_metadata import MAX_CHARACTERS, Note, decode, encode
from assay.shared.offsets import Range


def _ranges(order: random.Random, start: int, count: int, widest: int) -> tuple[Range, ...]:
    ranges, at = [], start
    for _ in range(count):
        first = at + order.randint(1, widest)
        at = first + order.randint(1, widest)
        ranges.append((first, at))
    return tuple(ranges)


@pytest.mark.parametrize("seed", range(200))
def test_says_what_it_was_told(seed: int) -> None:
    order = random.Random(seed)
    position = order.choice([0, 7, 2**31, 2**53])
    started = sorted(order.sample(range(position, position + 5000), order.randint(0, 64)))
    suspects = {each: order.randint(0, 3) for each in order.sample(range(position, position + 5000), 5)}
    note = Note(
        author=order.getrandbits(64),
        next=position + order.randint(0, 10_000),
        is_clean=order.random() < 0.5,
        alone=order.choice([None, position, position + 300]),
        suspects=suspects,
        started=tuple(started),
        finished=_ranges(order, position, order.randint(0, 200), 300),
    )
    text, fits = encode(note, position)
    assert fits
    assert len(text) <= MAX_CHARACTERS
    assert decode(text, position) == note


def test_what_does_not_fit_is_left_out_from_the_top() -> None:
    ranges = _ranges(random.Random(1), 100, 5000, 1)
    text, fits = encode(Note(author=1, next=100_000, started=(100, 200), finished=ranges), 100)
    assert not fits
    assert MAX_CHARACTERS - 8 <= len(text) <= MAX_CHARACTERS
    note = decode(text, 100)
    assert note is not None
    assert note.started == (100, 200)
    assert 1400 < len(note.finished) < 5000
    assert note.finished == ranges[: len(note.finished)]


def test_however_much_there_is_to_say_the_broker_takes_it() -> None:
    """Offsets far apart, as many as nobody runs at once."""
    far = range(10**12, 10**12 + 5000 * 10**9, 10**9)
    note = Note(1, 10**16, False, far[-1], dict.fromkeys(far, 3), tuple(far), tuple((each, each + 1) for each in far))
    text, fits = encode(note, 0)
    assert not fits
    assert len(text) <= MAX_CHARACTERS
    read = decode(text, 0)
    assert read is not None
    assert read.alone == far[-1]
    assert read.started == tuple(far[: len(read.started)])


def test_twenty_thousand_in_one_range_take_a_few_bytes() -> None:
    text, fits = encode(Note(author=2**64 - 1, next=20_001, finished=((1, 20_001),)), 0)
    assert fits
    assert len(text) <= 32


@pytest.mark.parametrize("text", [None, "", "committed by hand", "AAAA", "Af", "/////////////////////w==", "ä"])
def test_what_others_wrote_reads_as_none(text: str | None) -> None:
    assert decode(text, 5) is None


def test_a_note_cut_short_reads_as_none() -> None:
    text, _ = encode(Note(author=1, next=900, started=(700, 800)), 5)
    assert decode(text, 5) is not None
    assert decode(text[:-4], 5) is None
