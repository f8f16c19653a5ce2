"""Cursors: where a page ended, opaque to clients.

A cursor carries the sort key of the last item and a digest of the query that it belongs to, so that one of another
query is told apart and not answered with a page that skips or repeats. It is no secret and grants nothing: every query
names the owner again.
"""

import base64
import hashlib
import json
from collections.abc import Sequence
from uuid import UUID

from assay.results.errors import BadCursorError, ForeignCursorError

DIGEST_CHARS = 12
CURSOR_CHARS = 2000
"""More than any cursor has: a name is at most 200 characters."""


def digest(*query: object) -> str:
    """What tells one query from another: everything that decides which items come, and in which order."""
    return hashlib.blake2b(repr(query).encode(), digest_size=16).hexdigest()[:DIGEST_CHARS]


def write_cursor(query: str, key: Sequence[float | str], file_id: UUID) -> str:
    """query: its digest. key: what comes before the id in the order, if anything."""
    text = json.dumps([query, *key, file_id.hex], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read_cursor(cursor: str, query: str, kinds: Sequence[type]) -> tuple[tuple[float | str, ...], UUID]:
    """The key, of values of these kinds, and the id. Raises BadCursorError and ForeignCursorError."""
    try:
        # Not `urlsafe_b64decode`: it passes over what is no base64.
        text = base64.b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        found = json.loads(text)
        if not isinstance(found, list) or len(found) < 2:
            raise ValueError("another form")
        written_for, *key, file_id = found
        last = UUID(hex=file_id)
    except (ValueError, AttributeError, TypeError, RecursionError) as error:
        raise BadCursorError("Send `cursor` as `next_cursor` of the page before gave it, or leave it out.") from error
    if written_for != query:
        raise ForeignCursorError(
            "This cursor belongs to another query. Send the filters and the order of the page before, or no cursor."
        )
    if len(key) != len(kinds) or not all(map(_is_a, key, kinds)):
        raise BadCursorError("Send `cursor` as `next_cursor` of the page before gave it, or leave it out.")
    return tuple(key), last


def _is_a(value: object, kind: type) -> bool:
    """Whether it may have come from PostgreSQL: no text there has a NUL, or a half of a character."""
    if isinstance(value, str) and ("\x00" in value or (not value.isascii() and _is_broken(value))):
        return False
    return type(value) is kind


def _is_broken(text: str) -> bool:
    return any("\ud800" <= each <= "\udfff" for each in text)
