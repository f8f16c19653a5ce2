"""Files found inside others, by Kafka and HTTP, as a worker announces them."""

from datetime import UTC, datetime, timedelta
from typing import Any

from assay.contracts import Evidence, RunCompleted
from assay.contracts.topics import ANALYSES
from assay.results.settings import Settings
from assay.shared.ids import new_id
from assay.shared.kafka import Publisher
from results.conftest import PUBLIC_URL, Clients
from results.story import SHA256, Client, Story, verdict
from results.test_results_flow import events_of

NOTHING = verdict("no_findings", score=0.1, evidence=(Evidence(text="Nothing to see.", weight=-1.0),))


async def family(story: Story, publisher: Publisher) -> tuple[Story, Story]:
    """A mail with an archive with a picture, examined to the end."""
    archive, picture = Story(publisher, story.owner), Story(publisher, story.owner)
    await story.say(story.uploaded("mail.eml"), story.requested("mail"))
    await archive.say(archive.derived(story, "mail", "unzip", media_type="application/zip"))
    await picture.say(picture.derived(archive, "unzip", "jpeg-forensics", depth=2))
    await story.say(story.completed("mail", NOTHING, derived=(archive.file_id,)))
    await archive.say(archive.completed("unzip", NOTHING, derived=(picture.file_id,)))
    await picture.say(picture.completed("jpeg-forensics"))
    return archive, picture


async def test_a_family_is_one_report(
    client: Client, client_of: Clients, story: Story, publisher: Publisher, settings: Settings
) -> None:
    archive, picture = await family(story, publisher)
    body = await client.report_of(story.file_id)
    report = body["run"]["report"]
    assert (body["status"], report["label"], report["claim"]) == ("analyzed", "manipulated", "manipulated")
    named = [each["where"].get("derived_file_id") for each in report["evidence"]]
    assert named == [str(picture.file_id), None, str(archive.file_id)]
    [inside] = body["derived"]
    here = f"{PUBLIC_URL}/api/v1/files/{archive.file_id}"
    assert inside == {
        "file_id": str(archive.file_id),
        "derived_by": "mail",
        "depth": 1,
        "media_type": "application/zip",
        "size": 1234,
        "sha256": SHA256,
        "status": "analyzed",
        "label": "manipulated",
        "score": report["score"],
        "links": {"self": here, "events": f"{here}/events", "web": f"{PUBLIC_URL}/files/{archive.file_id}"},
    }
    child = await client.file(archive.file_id)
    assert (child["parent_file_id"], child["filename"], child["metadata"]) == (str(story.file_id), None, {})
    assert [(each["file_id"], each["depth"]) for each in child["derived"]] == [(str(picture.file_id), 2)]
    # Another owner sees none of them.
    other = client_of()
    for each in (archive, picture):
        assert (await other.http.get(f"/api/v1/files/{each.file_id}")).status_code == 404
    # On the topics a derived file's report says whose it is part of.
    for each, parent in ((story, None), (archive, story.file_id), (picture, archive.file_id)):
        said = await events_of(settings, ANALYSES.name, each.file_id)
        assert [event.parent_file_id for event in said if isinstance(event, RunCompleted)] == [parent]


async def test_lists_are_of_uploads_unless_a_parent_is_named(
    client: Client, client_of: Clients, story: Story, publisher: Publisher
) -> None:
    archive, picture = await family(story, publisher)
    await client.report_of(story.file_id)

    async def listed(**params: Any) -> list[str]:
        answer = await client.http.get("/api/v1/files", params=params)
        assert answer.status_code == 200, answer.text
        return [each["file_id"] for each in answer.json()["items"]]

    assert await listed() == [str(story.file_id)]
    assert await listed(parent=str(story.file_id)) == [str(archive.file_id)]
    assert await listed(parent=str(story.file_id), media_type="image/*") == []
    assert await listed(parent=str(archive.file_id), label="manipulated") == [str(picture.file_id)]
    assert await listed(parent=str(picture.file_id)) == []
    for stranger, parent in ((client, new_id()), (client_of(), story.file_id)):
        answer = await stranger.http.get("/api/v1/files", params={"parent": str(parent)})
        assert (answer.status_code, answer.json()["code"]) == (404, "file_not_found")
    stats = (await client.http.get("/api/v1/stats")).json()
    assert stats["files"] == 3


async def test_many_files_inside_are_paged(client: Client, story: Story, publisher: Publisher) -> None:
    inside = [Story(publisher, story.owner) for _ in range(105)]
    await story.say(story.uploaded("photos.zip"), story.requested("unzip"))
    await story.say(story.completed("unzip", NOTHING, derived=tuple(each.file_id for each in inside)))
    for each in inside:
        await each.say(each.derived(story, "unzip", "jpeg-forensics"), each.completed("jpeg-forensics", NOTHING))
    for each in inside:  # a machine that is busy takes its time for so many, one after the other
        await client.report_of(each.file_id)
    body = await client.report_of(story.file_id)
    assert body["run"]["report"]["summary"].endswith("No traces were found in any of the 105 files inside.")
    assert [each["file_id"] for each in body["derived"]] == [str(each.file_id) for each in inside[:100]]
    params: dict[str, Any] = {"parent": str(story.file_id), "limit": 60}
    first = (await client.http.get("/api/v1/files", params=params)).json()
    second = (await client.http.get("/api/v1/files", params={**params, "cursor": first["next_cursor"]})).json()
    seen = [each["file_id"] for each in [*first["items"], *second["items"]]]
    assert (seen, second["next_cursor"]) == ([str(each.file_id) for each in reversed(inside)], None)


async def test_what_no_analyzer_takes_is_complete_at_once(client: Client, story: Story, publisher: Publisher) -> None:
    program = Story(publisher, story.owner)
    await story.say(story.uploaded("mail.eml"), story.requested("mail"))
    await program.say(program.derived(story, "mail", media_type="application/x-dosexec"))
    body = await client.report_of(program.file_id)
    assert (body["status"], body["run"]["analyses"]) == ("analyzed", [])
    assert body["run"]["completed_at"] == body["run"]["requested_at"]
    assert body["run"]["report"]["label"] == "inconclusive"
    assert body["run"]["report"]["summary"] == "No analyzer takes a file of this type: nobody examined it."
    await story.say(story.completed("mail", NOTHING, derived=(program.file_id,)))
    report = (await client.report_of(story.file_id))["run"]["report"]
    assert report["label"] == "no_findings"
    assert report["summary"].endswith("No analyzer takes the file inside: nobody examined it.")


async def test_a_file_inside_past_its_deadline_is_missing_in_the_whole(
    client: Client, story: Story, publisher: Publisher
) -> None:
    inside = Story(publisher, story.owner)
    deadline = datetime.now(UTC) + timedelta(seconds=0.5)
    await story.say(story.uploaded("mail.eml"), story.requested("mail"))
    await inside.say(inside.derived(story, "mail", "jpeg-forensics", "npr", deadline=deadline))
    await inside.say(inside.completed("npr", NOTHING))
    await story.say(story.completed("mail", NOTHING, derived=(inside.file_id,)))
    body = await client.report_of(story.file_id)
    assert body["status"] == "partially_analyzed"
    missing = {"analyzer": "jpeg-forensics", "code": "timed_out", "derived_file_id": str(inside.file_id)}
    assert body["run"]["report"]["missing"] == [missing]
    assert body["run"]["report"]["summary"].endswith("Verdicts are missing for the file inside.")
    assert datetime.fromisoformat(body["run"]["completed_at"]) == deadline


async def test_whole_and_inside_past_one_deadline_both_end(client: Client, story: Story, publisher: Publisher) -> None:
    """Workers that never come: the parent, a file two levels down and one that was named but never announced."""
    archive, picture = Story(publisher, story.owner), Story(publisher, story.owner)
    never = new_id()
    deadline = datetime.now(UTC) + timedelta(seconds=0.5)
    await story.say(story.uploaded("mail.eml"), story.requested("mail", deadline=deadline))
    await archive.say(archive.derived(story, "mail", "unzip", deadline=deadline))
    await picture.say(picture.derived(archive, "unzip", "jpeg-forensics", deadline=deadline, depth=2))
    await story.say(story.completed("mail", NOTHING, derived=(archive.file_id, never)))
    await archive.say(archive.completed("unzip", NOTHING, derived=(picture.file_id,)))
    for each in (story, archive, picture):
        body = await client.report_of(each.file_id)
        assert body["status"] == ("failed" if each is picture else "partially_analyzed")
        assert datetime.fromisoformat(body["run"]["completed_at"]) == deadline
    missing = (await client.file(story.file_id))["run"]["report"]["missing"]
    assert {"analyzer": "mail", "code": "derived_file_not_finished", "derived_file_id": str(never)} in missing


async def test_a_new_run_finds_the_same_files_anew(client: Client, story: Story, publisher: Publisher) -> None:
    before, after, other = (Story(publisher, story.owner) for _ in range(3))
    await story.say(story.uploaded("mail.eml"), story.requested("mail", "media"))
    await before.say(before.derived(story, "mail", "jpeg-forensics"))
    await before.say(before.completed("jpeg-forensics"))
    await other.say(other.derived(story, "media", "jpeg-forensics"))
    await other.say(other.completed("jpeg-forensics"))
    await story.say(story.completed("mail", NOTHING, derived=(before.file_id,)))
    await story.say(story.completed("media", NOTHING, derived=(other.file_id,)))
    await client.report_of(story.file_id)
    story.run_id = new_id()
    await story.say(story.requested("mail", number=2))
    await after.say(after.derived(story, "mail", "jpeg-forensics"))
    await after.say(after.completed("jpeg-forensics", NOTHING))
    await story.say(story.completed("mail", NOTHING, derived=(after.file_id,)))
    body = await client.file_when(
        story.file_id, lambda body: body["run"]["run_number"] == 2 and body["run"]["report"], "the second report"
    )
    assert body["run"]["report"]["label"] == "no_findings"
    # As each analyzer last found them; the earlier ones stay files that can be asked for.
    assert [each["file_id"] for each in body["derived"]] == sorted([str(after.file_id), str(other.file_id)])
    assert (await client.file(before.file_id))["run"]["report"]["label"] == "manipulated"
    first = (await client.http.get(f"/api/v1/files/{story.file_id}/runs/1")).json()
    assert first["report"]["label"] == "manipulated"
