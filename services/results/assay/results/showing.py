"""What is shown of files, whoever asks for it: with the newest run, its analyses, what was found inside, what people
say of it.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any
from uuid import UUID

from assay.results import shown
from assay.results.sparse import EVERYTHING, Fields
from assay.results.views import Json, Views
from assay.shared.database import Driver


async def show(
    driver: Driver, views: Views, files: str, values: Sequence[Any], fields: Fields = EVERYTHING
) -> list[tuple[Any, Json]]:
    """Each row of a page of files, and what is shown of it. What is in no field is not read.

    files: a statement, which gives the columns of files, and none or some behind them.
    """
    rows = await driver.fetch(_statement(files, fields), *values)
    return [(row, fields.of(views.file(row))) for row in rows]


async def shown_of(driver: Driver, views: Views, file_ids: list[UUID], fields: Fields = EVERYTHING) -> list[Json]:
    """What is shown of these files, in this order; nothing of one that is not there."""
    return [file for _, file in await show(driver, views, shown.FILES, [file_ids], fields)]


@lru_cache(maxsize=200)
def _statement(files: str, fields: Fields) -> str:
    return shown.files_with_all(
        files,
        run=fields.shows("run"),
        analyses=fields.shows_analyses,
        derived=fields.shows("derived"),
        feedback=fields.shows("feedback"),
    )
