"""Files found inside others: the whole's stream waits for them, and the owner's carries what happens to them."""

from collections.abc import Callable

from support.services import ServiceProcess

from notify.conftest import Owner
from notify.event_source import Message, listening
from notify.playing import RUN_COMPLETED, PlayedFile

NewFile = Callable[..., PlayedFile]
COMPLETED = "assay.analysis.completed.v1"
DERIVED = "assay.file.derived.v1"


async def test_the_wholes_stream_ends_with_its_own_report_after_those_inside(
    notify: ServiceProcess, owner: Owner, new_file: NewFile
) -> None:
    whole, inside = new_file(), new_file()
    await whole.upload("mail.eml")
    path = f"{whole.path}?until=completed"
    async with (
        listening(notify.url, path, owner.token) as of_whole,
        listening(notify.url, "/api/v1/events", owner.token) as of_owner,
    ):
        assert (await of_whole.next()).event == "snapshot"
        await inside.derive(whole)
        await whole.complete(derived=(inside.file_id,))
        seen = await of_whole.until(COMPLETED)
        assert seen[-1].data["derived"] == [str(inside.file_id)], "that something was found"
        # The file inside has a stream of its own, which ends with its own report.
        async with listening(notify.url, f"{inside.path}?until=completed", owner.token) as of_inside:
            assert (await of_inside.next()).data["parent_file_id"] == str(whole.file_id)
            # Who comes only now waits for the whole as well, and is told what was found.
            async with listening(notify.url, path, owner.token) as later:
                snapshot = await later.next()
                assert [each["file_id"] for each in snapshot.data["derived"]] == [str(inside.file_id)]
                assert snapshot.data["run"]["report"] is None
                await inside.complete()
                assert (await of_inside.rest())[-1].event == RUN_COMPLETED
                for stream in (of_whole, later):
                    rest = await stream.rest()
                    assert {each.data["file_id"] for each in rest} == {str(whole.file_id)}
                    assert [each.event for each in rest].count(RUN_COMPLETED) == 1
                    assert (rest[-1].event, rest[-1].data["parent_file_id"]) == (RUN_COMPLETED, None)
        # The owner hears of both, in no common order: they are different keys.
        ends = {(str(each.file_id), RUN_COMPLETED) for each in (whole, inside)}
        heard: list[Message] = []
        while not ends <= {each.name for each in heard}:
            heard.append(await of_owner.next())
        names = [each.name for each in heard]
        assert names.count((str(inside.file_id), DERIVED)) == 1
        assert names.index((str(inside.file_id), COMPLETED)) < names.index((str(inside.file_id), RUN_COMPLETED))
        about_inside = next(each for each in heard if each.name == (str(inside.file_id), RUN_COMPLETED))
        assert about_inside.data["parent_file_id"] == str(whole.file_id)


async def test_a_snapshot_of_an_owner_shows_files_inside_under_the_whole(
    notify: ServiceProcess, owner: Owner, new_file: NewFile
) -> None:
    whole, inside = new_file(), new_file()
    await whole.upload("mail.eml")
    await inside.derive(whole, plan=())
    await whole.complete(derived=(inside.file_id,))
    async with listening(notify.url, f"{whole.path}?until=completed", owner.token) as source:
        await source.rest()
    async with listening(notify.url, "/api/v1/events", owner.token) as source:
        [file] = (await source.next()).data["files"]
    assert file["file_id"] == str(whole.file_id)
    [found] = file["derived"]
    assert (found["file_id"], found["status"], found["label"]) == (str(inside.file_id), "analyzed", "inconclusive")
    assert "nobody examined it" in file["run"]["report"]["summary"]
