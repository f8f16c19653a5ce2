"""Cursors of the delivery log: the key of a page's last row, which nobody needs to understand."""

import base64
import struct
from datetime import UTC, datetime, timedelta
from uuid import UUID

from assay.notify.webhooks.errors import BadDeliveryCursorError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FORM = struct.Struct(">q16s")
_MICROSECOND = timedelta(microseconds=1)

Key = tuple[datetime, UUID]


def cursor_of(key: Key) -> str:
    """The cursor that goes on after this row."""
    moment, delivery_id = key
    packed = _FORM.pack((moment - _EPOCH) // _MICROSECOND, delivery_id.bytes)
    return base64.urlsafe_b64encode(packed).decode()


def key_of(cursor: str) -> Key:
    """Where a cursor goes on. Raises BadDeliveryCursorError."""
    try:
        micros, identifier = _FORM.unpack(base64.b64decode(cursor.encode(), altchars=b"-_", validate=True))
        return _EPOCH + micros * _MICROSECOND, UUID(bytes=identifier)
    except (ValueError, struct.error, OverflowError) as error:
        raise BadDeliveryCursorError from error
