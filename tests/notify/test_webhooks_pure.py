"""Signatures, waits and cursors, without a service."""

import re
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from uuid import uuid4

import pytest
from standardwebhooks.webhooks import Webhook as Verifier
from support.deployment import ROOT

from assay.notify.webhooks import paging, signing
from assay.notify.webhooks.errors import BadDeliveryCursorError
from assay.notify.webhooks.retrying import Patience, retry_after_s

PATIENCE = Patience(first=timedelta(seconds=5), longest=timedelta(hours=4), give_up_after=timedelta(days=1))
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


def test_the_vector_that_implementations_of_the_standard_share() -> None:
    made = signing.signatures(
        ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
        message_id="msg_p5jXN8AQM9LWM0D4loKWxJek",
        timestamp=1614265330,
        body=b'{"test": 2432232314}',
    )
    assert made == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_either_secret_of_a_rotation_verifies() -> None:
    secrets = [signing.new_secret(), signing.new_secret()]
    timestamp = int(datetime.now(UTC).timestamp())
    header = signing.signatures(secrets, message_id="m", timestamp=timestamp, body=b'{"a": 1}')
    headers = {"webhook-id": "m", "webhook-timestamp": str(timestamp), "webhook-signature": header}
    for secret in secrets:
        assert Verifier(secret).verify(b'{"a": 1}', headers) == {"a": 1}


@pytest.mark.parametrize("text", ["", "whsec_", "whsec_AAAA", "AAAA" * 8, "whsec_" + "?" * 32, "whsec_" + "AAAA" * 30])
def test_what_is_no_secret(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        signing.key_of(text)


def test_waits_grow_to_their_limit_and_end_after_a_day() -> None:
    moment, tries = BEGAN, 0
    waits = []
    while True:
        tries += 1
        due = PATIENCE.next_due(tries=tries, began_at=BEGAN, moment=moment, retry_after_s=None)
        if due is None:
            break
        waits.append(due - moment)
        moment = due
    assert moment == BEGAN + timedelta(days=1), "the last try is when the time is up"
    assert 9 <= tries <= 25
    for number, wait in enumerate(waits[:-1]):
        full = min(timedelta(hours=4), timedelta(seconds=5) * 4**number)
        assert full / 2 <= wait <= full
    assert len({each.total_seconds() / 5 for each in waits}) == len(waits), "chance keeps receivers from waves"


def test_a_receiver_may_ask_for_patience_but_not_for_haste() -> None:
    def wait(asked: float) -> float:
        due = PATIENCE.next_due(tries=1, began_at=BEGAN, moment=BEGAN, retry_after_s=asked)
        assert due is not None
        return (due - BEGAN).total_seconds()

    assert wait(3600) == 3600
    assert wait(0) >= 2.5
    assert wait(200_000) == 86400, "the last try"


def test_retry_after_in_both_forms() -> None:
    assert retry_after_s(None) is None
    assert retry_after_s(b"120") == 120
    assert retry_after_s(b"99999999999999999999") == 86400
    assert retry_after_s(b"-5") is None
    assert retry_after_s("٣".encode()) is None
    later = format_datetime(datetime.now(UTC) + timedelta(minutes=10), usegmt=True).encode()
    assert 590 <= (retry_after_s(later) or 0) <= 600
    assert retry_after_s(b"Thu, 01 Jan 1970 00:00:00 GMT") == 0
    assert retry_after_s(b"soon") is None


def test_cursors_come_back_as_they_were() -> None:
    key = (datetime(2026, 3, 4, 5, 6, 7, 89, tzinfo=UTC), uuid4())
    assert paging.key_of(paging.cursor_of(key)) == key
    for wrong in ("", "x", paging.cursor_of(key)[:-4], "é" * 32, "f" * 32):
        with pytest.raises(BadDeliveryCursorError):
            paging.key_of(wrong)


def test_the_function_that_the_page_shows_knows_our_signature() -> None:
    page = (ROOT / "docs" / "webhooks.md").read_text(encoding="utf-8")
    (program,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    shown: dict[str, Any] = {}
    exec(program, shown)  # noqa: S102  # what readers copy
    is_from_assay = shown["is_from_assay"]
    old, new, body = signing.new_secret(), signing.new_secret(), b'{"a": 1}'

    def headers(seconds_ago: float) -> dict[str, str]:
        sent = int(datetime.now(UTC).timestamp() - seconds_ago)
        made = signing.signatures([new, old], message_id="m", timestamp=sent, body=body)
        return {"webhook-id": "m", "webhook-timestamp": str(sent), "webhook-signature": made}

    assert is_from_assay(old, headers(1), body)
    assert is_from_assay(new, headers(1), body)
    assert not is_from_assay(signing.new_secret(), headers(1), body)
    assert not is_from_assay(new, headers(1), body + b" ")
    assert not is_from_assay(new, {**headers(1), "webhook-id": "n"}, body)
    assert not is_from_assay(new, headers(400), body)
