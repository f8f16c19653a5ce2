"""The parts: who may come in, and who may not."""

import asyncio
import ssl
import urllib.error
import urllib.request
from urllib.parse import urlsplit

import asyncpg
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError

from assay.embedded.postgres import ROLES
from assay.embedded.stack import Stack
from embedded.conftest import RunningDriver


def login(stack: Stack, **others: str) -> dict[str, str]:
    lines = stack.environment("upload")
    return {
        "bootstrap_servers": lines["ASSAY_KAFKA__BOOTSTRAP_SERVERS"],
        "security_protocol": lines["ASSAY_KAFKA__SECURITY_PROTOCOL"],
        "sasl_mechanism": lines["ASSAY_KAFKA__SASL_MECHANISM"],
        "sasl_plain_username": lines["ASSAY_KAFKA__SASL_USERNAME"],
        "sasl_plain_password": lines["ASSAY_KAFKA__SASL_PASSWORD"],
        **others,
    }


async def test_kafka_takes_our_password(stack: Stack) -> None:
    admin = AIOKafkaAdminClient(**login(stack))
    await admin.start()
    await admin.create_topics([NewTopic("embedded-parts", 1, 1)])
    await admin.close()
    async with AIOKafkaProducer(**login(stack), acks="all", enable_idempotence=True) as producer:
        assert (await producer.send_and_wait("embedded-parts", b"x" * (1 << 19))).offset == 0


@pytest.mark.parametrize("others", [{"sasl_plain_password": "wrong"}, {"security_protocol": "PLAINTEXT"}])
async def test_kafka_refuses_strangers(stack: Stack, others: dict[str, str]) -> None:
    producer = AIOKafkaProducer(**login(stack, **others), request_timeout_ms=2000)
    with pytest.raises(KafkaError):
        await producer.start()
    await producer.stop()


async def test_the_controller_takes_no_client(stack: Stack) -> None:
    controller = f"127.0.0.1:{stack.ports['kafka-controller']}"
    producer = AIOKafkaProducer(**login(stack, bootstrap_servers=controller), request_timeout_ms=2000)
    with pytest.raises(KafkaError):
        await producer.start()
    await producer.stop()


async def test_topics_are_not_made_by_chance(stack: Stack) -> None:
    admin = AIOKafkaAdminClient(**login(stack))
    await admin.start()
    await admin.describe_topics(["never-made"])
    assert "never-made" not in await admin.list_topics()
    await admin.close()


def url(stack: Stack, role: str | None) -> str:
    return stack.environment(role)["ASSAY_DATABASE__URL"].replace("+asyncpg", "")


@pytest.mark.parametrize("role", ROLES)
async def test_a_role_owns_its_schema_and_no_other(stack: Stack, role: str) -> None:
    connection = await asyncpg.connect(url(stack, role))
    try:
        await connection.execute("CREATE TABLE mine (word text); DROP TABLE mine")
        for other in set(ROLES) - {role}:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(f"CREATE TABLE {other}.theirs (word text)")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("CREATE TABLE public.ours (word text)")
        assert await connection.fetchval("SELECT rolsuper FROM pg_roles WHERE rolname = current_user") is False
        assert await connection.fetchval("SELECT similarity('photo', 'photos') > 0.5")
        assert await connection.fetchval("SELECT '[1,2]'::vector <-> '[1,3]'::vector") == 1
    finally:
        await connection.close()


async def test_postgres_refuses_a_wrong_password(stack: Stack) -> None:
    parts = urlsplit(url(stack, None))
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(host=parts.hostname, port=parts.port, user=parts.username, database="assay", password="x")


def status(address: str) -> int | str:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with urllib.request.urlopen(address, timeout=5, context=context) as answer:  # noqa: S310 - our own address
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError as error:
        return type(error.reason if isinstance(error, urllib.error.URLError) else error).__name__


async def test_s3_and_what_is_behind_it_refuse_strangers(stack: Stack) -> None:
    ports = stack.ports
    ask = asyncio.to_thread
    assert await ask(status, f"http://127.0.0.1:{ports['s3']}/assay?list-type=2") == 403
    assert await ask(status, f"http://127.0.0.1:{ports['s3']}/") == 403
    for part in ("master", "volume", "filer"):
        assert await ask(status, f"http://127.0.0.1:{ports[part]}/") == 400  # it speaks TLS only
        assert await ask(status, f"https://127.0.0.1:{ports[part]}/") == "SSLError"  # and wants a certificate


def test_memory_of_the_idle_parts(driver: RunningDriver) -> None:
    """The whole idle stack stays under 3 GB; without the services it takes less than a third of that."""
    used = [process.memory_info() for process in driver.family()]
    assert sum(memory.rss - memory.shared for memory in used) < 1e9
