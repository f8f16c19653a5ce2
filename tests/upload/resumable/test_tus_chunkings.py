"""Whatever a client does with an upload, it stays one sequence of bytes: random histories against a plain list."""

import asyncio
import hashlib
import random
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from support.services import ServiceProcess
from support.tus import Tus, checksum
from support.uploads import Owner, jpeg

MIB = 1024 * 1024
LENGTH = 9 * MIB
SIZES = some.one_of(
    some.integers(0, 3),
    some.integers(0, 200_000),
    some.sampled_from([MIB, 5 * MIB - 1, 5 * MIB, 8 * MIB - 1, 8 * MIB, 8 * MIB + 1]),
)


@dataclass(frozen=True)
class Step:
    """One request: how many bytes, at which replica, and what is odd about it."""

    size: int
    replica: int
    kind: str = field(default="plain")


STEPS = some.lists(
    some.builds(
        Step,
        size=SIZES,
        replica=some.integers(0, 1),
        kind=some.sampled_from(["plain", "plain", "checked", "corrupt", "ahead", "behind", "broken"]),
    ),
    max_size=6,
)


@pytest.fixture
def content() -> bytes:
    start = jpeg()
    return start + random.randbytes(LENGTH - len(start))


@settings(max_examples=6, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_any_history_ends_in_the_same_bytes(
    steps: list[Step], one: ServiceProcess, other: ServiceProcess, environment: dict[str, str], content: bytes
) -> None:
    owner = Owner(one.url, environment)
    asyncio.run(_play(steps, [Tus(owner, one.url), Tus(owner, other.url)], content))


async def _play(steps: list[Step], replicas: list[Tus], content: bytes) -> None:
    upload = await replicas[0].create(LENGTH)
    offset = 0
    for step in steps:
        tus = replicas[step.replica]
        assert await tus.offset(upload) == offset
        piece = content[offset : offset + step.size]
        if step.kind == "ahead":
            answer = await tus.patch(upload, offset + 1, b"x")
            assert answer.status_code == 409
        elif step.kind == "behind" and offset:
            answer = await tus.patch(upload, offset - 1, b"x")
            assert answer.status_code in (204, 409)
            assert answer.status_code == 409 or offset == LENGTH
        elif step.kind == "corrupt" and piece:
            answer = await tus.patch(upload, offset, piece[:-1] + bytes([piece[-1] ^ 1]), checksum(piece))
            assert answer.status_code == 460
        elif step.kind == "broken" and len(piece) < len(content) - offset:
            async with tus.sending(upload, offset, piece, len(piece) + 1):
                await asyncio.sleep(0)
            # What the server had heard of it counts, once the broken request has ended.
            accepted = await tus.settled(upload)
            assert offset <= accepted <= offset + len(piece)
            offset = accepted
        elif offset < LENGTH:
            answer = await tus.patch(upload, offset, piece, checksum(piece) if step.kind == "checked" else None)
            assert answer.status_code == 204, answer.text
            offset += len(piece)
    if offset < LENGTH:
        answer = await replicas[1].patch(upload, offset, content[offset:])
        assert answer.status_code == 204, answer.text
    state = await replicas[0].state(upload)
    assert state["file"]["sha256"] == hashlib.sha256(content).hexdigest()
