"""A results service on the real parts; tests are kept apart by owners."""

import json
import os
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from unittest.mock import patch

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from support.services import ServiceProcess, free_port, running_service
from support.stacks import RunningParts

from assay.results.arrivals import Arrivals
from assay.results.service import RunService
from assay.results.settings import Settings
from assay.results.tables import SCHEMA
from assay.shared import database
from assay.shared import outbox as outboxes
from assay.shared.auth import mint_token
from assay.shared.ids import new_id
from assay.shared.kafka import Publisher
from results.recorder import Recorder
from results.story import Client, Story

PUBLIC_URL = "https://assay.example"


@pytest.fixture(scope="package")
def results_environment(stack: RunningParts) -> dict[str, str]:
    port = str(free_port())
    return {
        **stack.environment("results"),
        "ASSAY_HTTP__PORT": port,
        # The only other service that is needed here is one that answers; this one does.
        "ASSAY_PEERS": json.dumps({"upload": [f"http://127.0.0.1:{port}"]}),
        "ASSAY_PUBLIC_URL": PUBLIC_URL,
        "ASSAY_SWEEP_SECONDS": "0.2",
        "ASSAY_LOG__FORMAT": "json",
    }


@pytest.fixture(scope="package")
def settings(results_environment: dict[str, str]) -> Settings:
    with patch.dict(os.environ, results_environment):
        return Settings()


@pytest.fixture(scope="package")
def results(results_environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    with running_service("results", results_environment, tmp_path_factory.mktemp("results")) as service:
        yield service


@pytest.fixture(scope="package")
async def publisher(settings: Settings) -> AsyncIterator[Publisher]:
    publisher = Publisher(settings.kafka, source="/assay/tests")
    await publisher.start()
    yield publisher
    await publisher.stop()


@pytest.fixture(scope="package")
async def engine(settings: Settings) -> AsyncIterator[AsyncEngine]:
    """The service's own tables, to compare them."""
    engine = database.build_engine(settings.database, schema=SCHEMA)
    yield engine
    await engine.dispose()


Clients = Callable[..., Client]


@pytest.fixture
async def client_of(results: ServiceProcess, settings: Settings) -> AsyncIterator[Clients]:
    """Makes clients of new owners."""
    made: list[Client] = []

    def make(owner: str | None = None, *, operator: bool = False) -> Client:
        owner = owner or f"owner-{new_id()}"
        secret = settings.auth.secret.get_secret_value()
        token = mint_token(secret, owner, ["user", "operator"] if operator else ["user"], timedelta(hours=1))
        made.append(Client(results.url, owner, token))
        return made[-1]

    yield make
    for client in made:
        await client.http.aclose()


@pytest.fixture
def client(client_of: Clients) -> Client:
    return client_of()


@pytest.fixture
def story(publisher: Publisher, client: Client) -> Story:
    """A new file of the client's owner, of which nothing was said yet."""
    return Story(publisher, client.owner)


@pytest.fixture
async def recorder(results: ServiceProcess, publisher: Publisher, engine: AsyncEngine) -> AsyncIterator[Recorder]:
    """The running service is needed for its tables, and for sending what lies in its outbox."""
    outbox = outboxes.Outbox(engine, publisher, schema=SCHEMA, source="/assay/tests")
    recorder = Recorder(
        RunService(transaction=database.driver_transactions(engine), outbox=outbox, arrivals=Arrivals()), engine
    )
    await recorder.start(partitions=12)
    yield recorder
    await recorder.stop()
