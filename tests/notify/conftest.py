"""The real results and notify as processes, on the shared stack; upload and the workers are played by the tests."""

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
from support.services import ServiceProcess, running_service
from support.stacks import RunningParts

from assay.shared.auth import mint_token
from assay.shared.ids import new_id
from assay.shared.kafka import Publisher
from assay.shared.settings import KafkaSettings
from notify.playing import PlayedFile

HEARTBEAT_S = 0.4
# All processes of these tests have one queue: whoever takes a delivery must treat it alike.
WEBHOOKS = {
    "ASSAY_WEBHOOKS__ALLOW_PRIVATE": "true",
    "ASSAY_WEBHOOKS__ALLOW_HTTP": "true",
    "ASSAY_WEBHOOKS__TIMEOUT": "3",
    "ASSAY_WEBHOOKS__FIRST_RETRY": "PT0.2S",
    "ASSAY_WEBHOOKS__LONGEST_RETRY": "PT1S",
    "ASSAY_WEBHOOKS__GIVE_UP_AFTER": "PT5S",
    "ASSAY_WEBHOOKS__MAX_PER_OWNER": "5",
}


@dataclass(frozen=True)
class Owner:
    """Somebody of whom only one test knows."""

    name: str
    token: str


@pytest.fixture(scope="package")
def traces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("traces")


@pytest.fixture(scope="package")
def kafka(stack: RunningParts) -> KafkaSettings:
    names = {"bootstrap_servers", "security_protocol", "sasl_mechanism", "sasl_username", "sasl_password"}
    lines = stack.environment("notify")
    return KafkaSettings.model_validate(
        {name: lines[key] for name in names if (key := f"ASSAY_KAFKA__{name.upper()}") in lines}
    )


@pytest.fixture(scope="package")
def results(stack: RunningParts, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    with running_service("results", stack.environment("results"), tmp_path_factory.mktemp("results")) as service:
        yield service


@pytest.fixture(scope="package")
def notify_environment(stack: RunningParts, results: ServiceProcess, traces: Path) -> dict[str, str]:
    return {
        **stack.environment("notify"),
        "ASSAY_RESULTS_URL": results.url,
        "ASSAY_HEARTBEAT": str(HEARTBEAT_S),
        **WEBHOOKS,
        "ASSAY_TRACES__PATH": str(traces / "notify.ndjson"),
    }


@pytest.fixture(scope="package")
def notify(notify_environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    with running_service("notify", notify_environment, tmp_path_factory.mktemp("notify")) as service:
        yield service


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def publisher(kafka: KafkaSettings, results: ServiceProcess) -> AsyncIterator[Publisher]:
    """results has made the topics."""
    publisher = Publisher(kafka, source="/assay/tests")
    await publisher.start()
    yield publisher
    await publisher.stop()


@pytest.fixture
def new_owner(stack: RunningParts) -> Callable[[], Owner]:
    secret = stack.environment("notify")["ASSAY_AUTH__SECRET"]

    def make() -> Owner:
        name = f"owner-{new_id()}"
        return Owner(name, mint_token(secret, name, ["user"]))

    return make


@pytest.fixture
def owner(new_owner: Callable[[], Owner]) -> Owner:
    return new_owner()


@pytest.fixture
def new_file(publisher: Publisher, owner: Owner) -> Callable[..., PlayedFile]:
    def make(**options: object) -> PlayedFile:
        return PlayedFile(publisher, owner.name, **options)  # type: ignore[arg-type]

    return make
