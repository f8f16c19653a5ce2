"""What webhooks answer to whatever their document describes, and to what it does not."""

import pytest
from support.fuzzing import Fuzzer
from support.services import ServiceProcess

from notify.conftest import Owner
from notify.hooks import hooks_of
from notify.receivers import receiving

EXAMPLES = 4
PREFIX = "/api/v1/webhooks"


@pytest.mark.timeout(90)
async def test_webhooks_answer_as_their_document_says(notify: ServiceProcess, owner: Owner) -> None:
    async with receiving() as receiver, hooks_of(notify.url, owner.token) as hooks:
        webhook = await hooks.register(receiver.url)
        sent = await hooks.test(webhook)
        document = (await hooks.client.get("/openapi.json")).json()
    document["paths"] = {path: item for path, item in document["paths"].items() if path.startswith(PREFIX)}
    fuzzer = Fuzzer(document, notify.url, {"Authorization": f"Bearer {owner.token}"})
    # Removing comes last: the others ask about what is there.
    operations = sorted(fuzzer.operations(), key=lambda each: each.method.upper() == "DELETE")
    assert len(operations) == 11
    known = {"webhook_id": [webhook["webhook_id"]], "delivery_id": [sent["delivery_id"]]}
    for operation in operations:
        fuzzer.try_edges(operation)
        fuzzer.try_anything(operation, known, EXAMPLES)
    for label in (f"GET {PREFIX}", f"GET {PREFIX}/{{webhook_id}}", f"GET {PREFIX}/{{webhook_id}}/deliveries"):
        assert 200 in fuzzer.statuses[label], f"{label} was never asked right: {fuzzer.statuses[label]}"
