"""Lists of files: which, and in which order, as one statement that an index answers.

Every list is of one owner, and every order ends with the id, so that a page begins right behind the one before it
however many files came or went meanwhile. Times are those of the ids: UUIDv7, made when the upload began. What has no
score comes last by score, what has no name first by name.
"""

from dataclasses import astuple, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from assay.results import paging
from assay.results.statements import NEWEST, OLDEST, USUAL_STATUS, rows_of
from assay.results.tables import File

Sort = Literal["newest", "oldest", "score", "name"]
NAME_CHARS = 200
"""So much of a name counts for its place and for a prefix."""
LAST = "\U0010ffff"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# As the indexes have them, to the letter.
SCORE = "coalesce(score, -1)"
NAME = f"left(lower(coalesce(filename, '')), {NAME_CHARS}) COLLATE \"C\""
KIND = "split_part(media_type, '/', 1)"


@dataclass(frozen=True, slots=True)
class Order:
    """key: what comes before the id. descending: both."""

    key: str | None
    kind: type
    descending: bool


ORDERS: dict[Sort, Order] = {
    "newest": Order(None, str, descending=True),
    "oldest": Order(None, str, descending=False),
    "score": Order(SCORE, float, descending=True),
    "name": Order(NAME, str, descending=False),
}


@dataclass(frozen=True, slots=True)
class Filters:
    """What a list of files is narrowed to; what is None narrows nothing.

    status, label, score   of the newest run
    media_type             exact, or all of a kind: `image/*`
    analyzer               one that examines, or examined, the file in its newest run
    since, until           from the one up to, and not with, the other
    name                   how the file name begins; q is any part of it. Neither minds capitals
    parent                 files found inside this one; None: uploads
    """

    status: str | None = None
    label: str | None = None
    min_score: float | None = None
    max_score: float | None = None
    media_type: str | None = None
    analyzer: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    name: str | None = None
    q: str | None = None
    sha256: str | None = None
    parent: UUID | None = None


class Listing:
    """One owner's list in one order."""

    def __init__(self, owner_id: str, filters: Filters, sort: Sort) -> None:
        self._filters = filters
        self._order = ORDERS[sort]
        self._digest = paging.digest(owner_id, astuple(filters), sort)
        self._values: list[Any] = []
        self._conditions: list[str] = []
        self._narrow("owner_id = {}", owner_id)
        # Written out, because `IS NOT DISTINCT FROM` would pass by the index.
        if filters.parent is None:
            self._narrow("parent_file_id IS NULL")
        else:
            self._narrow("parent_file_id = {}", filters.parent)
        self._narrow_to_filters()

    def _narrow(self, condition: str, *values: Any) -> None:
        numbers = range(len(self._values) + 1, len(self._values) + len(values) + 1)
        self._conditions.append(condition.format(*(f"${number}" for number in numbers)))
        self._values.extend(values)

    def _narrow_to_filters(self) -> None:
        filters = self._filters
        if filters.status is not None:
            self._narrow_to_status(filters.status)
        if filters.label is not None:
            self._narrow("label = {}", filters.label)
        if filters.min_score is not None or filters.max_score is not None:
            bounds = (filters.min_score or 0.0, 1.0 if filters.max_score is None else filters.max_score)
            self._narrow(f"{SCORE} BETWEEN {{}} AND {{}}", *bounds)
        if filters.media_type is not None:
            self._narrow_to_media_type(filters.media_type)
        if filters.analyzer is not None:
            self._narrow(
                "EXISTS (SELECT FROM analyses AS part WHERE part.run_id = files.run_id AND part.file_id = files.file_id"
                " AND part.owner_id = files.owner_id AND part.analyzer = {})",
                filters.analyzer,
            )
        if filters.since is not None:
            self._narrow("file_id >= {}", first_id(filters.since))
        if filters.until is not None:
            self._narrow("file_id < {}", first_id(filters.until))
        if filters.name:
            prefix = f'left(lower({{}}::text), {NAME_CHARS}) COLLATE "C"'
            self._narrow(f"{NAME} >= {prefix}", filters.name)
            self._narrow(f"{NAME} <= {prefix} || {{}}", filters.name, LAST)
        if filters.q:
            self._narrow("filename ILIKE {}", f"%{_escaped(filters.q)}%")
        if filters.sha256 is not None:
            self._narrow("sha256 = {}", filters.sha256)

    def _narrow_to_status(self, status: str) -> None:
        self._narrow("status = {}", status)
        if status != USUAL_STATUS:
            # What the index says of its rows, said again: of a value PostgreSQL does not know it when it plans.
            self._narrow(f"status <> '{USUAL_STATUS}'")

    def _narrow_to_media_type(self, media_type: str) -> None:
        kind, _, sub = media_type.partition("/")
        self._narrow(f"{KIND} = {{}}", kind)
        if sub != "*":
            self._narrow("media_type = {}", media_type)

    def statement(self, limit: int | None, cursor: str | None) -> tuple[str, list[Any]]:
        """The statement and its values; its rows are a file's columns and the sort key behind them, if there is one.

        limit: None for all.

        Raises BadCursorError and ForeignCursorError.
        """
        order, conditions, values = self._order, list(self._conditions), list(self._values)
        columns = ["file_id"] if order.key is None else [order.key, "file_id"]
        if cursor is not None:
            kinds = [] if order.key is None else [order.kind]
            key, last = paging.read_cursor(cursor, self._digest, kinds)
            numbers = ", ".join(f"${len(values) + number}" for number in range(1, len(columns) + 1))
            # One comparison of rows is one place in an index.
            conditions.append(f"({', '.join(columns)}) {'<' if order.descending else '>'} ({numbers})")
            values.extend([*key, last])
        ordering = NEWEST if order.descending else OLDEST
        if order.key is not None:
            direction = "DESC" if order.descending else "ASC"
            ordering = ", ".join(f"{column} {direction}" for column in columns)
        shown = rows_of(File).columns + ("" if order.key is None else f", {order.key}")
        # Only what is in this file comes into the text; what a client sends is a value.
        text = f"SELECT {shown} FROM files WHERE {' AND '.join(conditions)} ORDER BY {ordering}"  # noqa: S608
        return text if limit is None else f"{text} LIMIT {int(limit)}", values

    def cursor_after(self, row: Any) -> str:
        """The cursor behind a row of the statement."""
        key = [] if self._order.key is None else [row[-1]]
        return paging.write_cursor(self._digest, key, row["file_id"])


def first_id(moment: datetime) -> UUID:
    """The lowest UUIDv7 of this moment, to the millisecond; of a later one where it is a part of a millisecond."""
    milliseconds = -((EPOCH - moment) // timedelta(milliseconds=1))
    return UUID(int=min(max(milliseconds, 0), 2**48 - 1) << 80)


def _escaped(part: str) -> str:
    return part.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
