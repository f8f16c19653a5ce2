"""Files that mean harm: refused, and nothing stays of them; or taken, and each gets its verdicts. Nobody falls over.

With ASSAY_DATA in the environment, all of its hostile files and names are sent as well.
"""

import asyncio
import time
import unicodedata
from collections import Counter
from typing import Any
from urllib.parse import quote

import httpx
import psutil
import pytest
from support import hostile
from support.hostile import Hostile
from support.product import Product
from support.tus import Tus
from support.uploads import Owner, Storage

ENDED = {"analyzed", "partially_analyzed", "failed"}
ANALYSED = {"completed", "failed"}
# All of them wait in one queue.
VERDICT_S = 60.0 + 2 * len(hostile.files())
AT_ONCE = 8

pytestmark = pytest.mark.timeout(60 + 2 * VERDICT_S)


def services(product: Product) -> set[int]:
    """The processes that serve, by their ids: one that died would have another one."""
    assert product.process is not None
    found = set()
    for each in psutil.Process(product.process.pid).children():
        words = " ".join(each.cmdline())
        if "assay." in words and ".main" in words:
            found.add(each.pid)
    return found


def written(name: str, content: bytes) -> list[bytes]:
    """A form with one file, of whatever name."""
    encoded = quote(name, safe="", encoding="utf-8", errors="replace")
    head = f"--x-boundary-x\r\nContent-Disposition: form-data; name=\"file\"; filename*=UTF-8''{encoded}\r\n\r\n"
    force = b'--x-boundary-x\r\nContent-Disposition: form-data; name="force"\r\n\r\ntrue\r\n'
    return [force, head.encode(), content, b"\r\n--x-boundary-x--\r\n"]


def shown(name: str) -> str:
    """As it is to be kept: whole, in its own script; without what moves a terminal's cursor."""
    kept = "".join("\ufffd" if unicodedata.category(each) in ("Cc", "Cs") else each for each in name)
    return kept[:1024] or "unnamed"


def refusal(answer: httpx.Response) -> tuple[int, str]:
    """Status and code of a problem that a person can understand."""
    assert 400 <= answer.status_code < 500, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert (problem["status"], len(problem["detail"]) > 20) == (answer.status_code, True)
    return answer.status_code, problem["code"]


async def by_tus(owner: Owner, each: Hostile) -> httpx.Response:
    tus = Tus(owner, owner.url)
    begun = await tus.post(len(each.content), filename=each.name, force="true")
    if begun.status_code != 201:
        return begun
    return await tus.patch(begun.headers["location"].rpartition("/")[2], 0, each.content)


async def straight_to_storage(owner: Owner, each: Hostile) -> httpx.Response:
    asked = {"filename": each.name, "size": len(each.content), "force": True}
    presigned = await owner.ask("POST", "/api/v1/files:presign", json=asked)
    if presigned.status_code != 201:
        return presigned
    (part,) = presigned.json()["parts"]
    async with httpx.AsyncClient(timeout=30) as stranger:
        put = await stranger.put(part["url"], content=each.content)
    assert put.status_code == 200, put.text
    parts = [{"number": 1, "etag": put.headers["etag"]}]
    body = {"upload_id": presigned.json()["upload_id"], "parts": parts}
    return await owner.ask("POST", "/api/v1/files:complete", json=body)


async def ended(owner: Owner, file_id: str, until: float) -> dict[str, Any]:
    """The file once its newest run has ended."""
    while True:
        answer = await owner.ask("GET", f"/api/v1/files/{file_id}")
        assert answer.status_code == 200, answer.text
        file: dict[str, Any] = answer.json()
        if file["status"] in ENDED:
            return file
        assert time.monotonic() < until, f"{file['filename']!r} has no report: {file['run']}"
        await asyncio.sleep(0.2)


async def test_hostile_files_are_refused_or_examined(running: Product, owner: Owner, storage: Storage) -> None:
    before, standing = storage.keys(), services(running)
    assert len(standing) >= 5
    turns = asyncio.Semaphore(AT_ONCE)
    refused: dict[str, tuple[int, str]] = {}
    taken: dict[str, str] = {}

    async def send(each: Hostile) -> None:
        async with turns:
            answer = await owner.post(written(each.name, each.content))
            if answer.status_code == 202:
                assert answer.json()["filename"] == shown(each.name)
                taken[answer.json()["file_id"]] = each.label
                return
            code = refused[each.label] = refusal(answer)
            # The other ways in say the same.
            assert refusal(await by_tus(owner, each)) == code, each.label
            assert refusal(await straight_to_storage(owner, each)) == code, each.label

    await asyncio.gather(*map(send, hostile.files()))
    print(f"{len(taken)} taken, {len(refused)} refused: {Counter(code for _, code in refused.values())}")
    assert {"empty.jpg", "program.jpg", "page.pdf"} <= set(refused)
    assert {"half.jpg", "sixty-thousand-square.png", "much-from-little.png"} <= set(taken.values())

    until = time.monotonic() + VERDICT_S
    inside: set[str] = set()
    for file_id, label in taken.items():
        file = await ended(owner, file_id, until)
        assert file["run"]["report"]["label"], label
        assert {each["status"] for each in file["run"]["analyses"]} <= ANALYSED, label
        inside |= {each["file_id"] for each in file["derived"]}
    await storage.assert_only(owner, before, {*taken, *inside})
    assert services(running) == standing, "a service fell over, and was started again"
    assert (await owner.ask("GET", "/readyz")).status_code == 200


async def test_names_are_kept_as_they_are(owner: Owner) -> None:
    """In the answer to the upload, and wherever the file is shown; the bytes are the same and each is a file."""
    content = hostile.picture()
    turns = asyncio.Semaphore(AT_ONCE)

    async def send(name: str) -> None:
        async with turns:
            answer = await owner.post(written(name, content))
            assert answer.status_code == 202, (name, answer.text)
            assert answer.json()["filename"] == shown(name)
            file = await owner.ask("GET", f"/api/v1/files/{answer.json()['file_id']}")
            assert (file.status_code, file.json()["filename"]) == (200, shown(name))

    await asyncio.gather(*map(send, hostile.names()))
