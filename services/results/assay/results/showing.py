"""Files with all that is shown of each: its newest run, that run's analyses, what was found inside, what people
say of it.
"""

from collections import defaultdict
from collections.abc import Sequence
from uuid import UUID

from assay.results import feedback, statements
from assay.results.schemas import FileView
from assay.results.sparse import EVERYTHING, Fields
from assay.results.statements import rows_of
from assay.results.tables import Analysis, File, Run
from assay.results.views import Views
from assay.shared.database import Driver

DERIVED_SHOWN = 100


async def show(driver: Driver, views: Views, files: Sequence[File], fields: Fields = EVERYTHING) -> list[FileView]:
    """What is shown of these files; a few queries, however many they are. What is in no field is not read."""
    file_ids = [each.file_id for each in files]
    run_ids = [each.run_id for each in files if each.run_id is not None]
    runs: dict[UUID, Run] = {}
    if fields.shows("run"):
        runs = {run.run_id: run for run in rows_of(Run).objects(await driver.fetch(statements.RUNS_BY_ID, run_ids))}
    analyses: defaultdict[UUID, list[Analysis]] = defaultdict(list)
    if fields.shows_analyses:
        for analysis in rows_of(Analysis).objects(await driver.fetch(statements.ANALYSES_OF_RUNS, run_ids)):
            analyses[analysis.run_id].append(analysis)
    derived = await _found_inside(driver, file_ids) if fields.shows("derived") else {}
    said = await feedback.of_files(driver, file_ids) if fields.shows("feedback") else {}
    return [
        views.file(
            each,
            runs.get(each.run_id) if each.run_id else None,
            analyses[each.run_id] if each.run_id else [],
            derived.get(each.file_id, []),
            said.get(each.file_id, []),
        )
        for each in files
    ]


async def _found_inside(driver: Driver, file_ids: Sequence[UUID]) -> dict[UUID, list[File]]:
    """The first 100 files found inside each of these, as each analyzer last found them."""
    wholes = [file_id for (file_id,) in await driver.fetch(statements.WHOLES, file_ids)]
    shown: defaultdict[UUID, list[File]] = defaultdict(list)
    if not wholes:
        return shown
    for child in rows_of(File).objects(await driver.fetch(statements.FOUND_INSIDE, wholes, DERIVED_SHOWN)):
        if child.parent_file_id is not None:
            shown[child.parent_file_id].append(child)
    return shown
