"""compose.yaml names only what exists: variables, ports, paths, commands, secrets."""

import importlib
import json
import os
import re
import runpy
import stat
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import check_jsonschema
import pytest
from jsonschema import Draft7Validator
from support.deployment import INTERPOLATION, OURS, ROOT, Compose, dockerfile_of, read_compose

from assay.contracts.topics import ALL
from assay.embedded.postgres import DATABASE, ROLES
from assay.embedded.seaweedfs import BUCKET, REGION
from assay.embedded.settings import StackSettings
from assay.shared.health import Health
from assay.shared.settings import PREFIX, is_known, known_names, load

COMPOSE = read_compose()
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
RUN_BY_US = sorted(name for name in SERVICES if name.removesuffix("-gpu") in OURS)
make_secrets = runpy.run_path(str(ROOT / "infra/compose/make_secrets.py"))["make"]


def problems(document: Compose) -> list[str]:
    """What the compose specification's JSON Schema has against a document."""
    schema = Path(check_jsonschema.__file__).parent / "builtin_schemas/vendor/compose-spec.json"
    return [
        f"{each.json_path}: {each.message}"
        for each in Draft7Validator(json.loads(schema.read_text())).iter_errors(document)
    ]


def test_it_follows_the_compose_specification() -> None:
    assert problems(COMPOSE) == []


def test_the_specification_is_really_asked() -> None:
    wrong = read_compose()
    wrong["services"]["upload"]["healthcheck"]["intervall"] = "1s"
    assert problems(wrong)


def test_every_service_of_ours_is_there_and_no_stranger() -> None:
    assert set(SERVICES) == {*OURS, "inference-gpu", "gateway", "kafka", "minio", "postgres"}


@pytest.mark.parametrize("name", RUN_BY_US)
def test_a_service_starts_with_the_settings_that_it_is_given(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The service's own code reads its environment: an unknown, missing or wrong variable ends the process."""
    make_secrets(tmp_path)
    environment = {**dockerfile_of(name.removesuffix("-gpu"))[-1].environment, **SERVICES[name]["environment"]}
    for each in (variable for variable in list(os.environ) if variable.startswith(PREFIX)):
        monkeypatch.delenv(each)
    for variable, value in environment.items():
        assert isinstance(value, str), f"{variable}: YAML would pass {value!r}"
        if variable.startswith(PREFIX):
            monkeypatch.setenv(variable, value.replace("/run/secrets", str(tmp_path)))
    settings = load(importlib.import_module(f"assay.{name.removesuffix('-gpu')}.settings").Settings)
    assert settings.http.host == "0.0.0.0"  # noqa: S104 - inside its container
    assert settings.http.port == port_of(SERVICES[name])
    if "auth" in type(settings).model_fields:
        assert settings.auth.issuer is None
    if "s3" in type(settings).model_fields:
        assert (settings.s3.bucket, settings.s3.region) == (BUCKET, REGION)
        assert settings.s3.secret_access_key.get_secret_value() == (tmp_path / "s3_secret_key").read_text().strip()


def port_of(service: dict[str, Any]) -> int:
    """The port that a service's health check asks."""
    found = re.search(r"http://127\.0\.0\.1:(\d+)/", " ".join(service["healthcheck"]["test"]))
    assert found
    return int(found[1])


def test_variables_for_the_whole_are_settings_of_the_code() -> None:
    text = (ROOT / "compose.yaml").read_text()
    known = known_names(StackSettings, *(settings_of(name) for name in OURS))
    ours = {each["name"] for each in INTERPOLATION.finditer(text) if each["name"].startswith(PREFIX)}
    ours |= set(re.findall(r"\$\{(ASSAY_\w+)", text))
    assert ours
    assert [name for name in ours if not is_known(name, known)] == []


def settings_of(name: str) -> Any:
    return importlib.import_module(f"assay.{name}.settings").Settings


@pytest.mark.parametrize("name", OURS)
def test_an_image_runs_a_module_that_exists(name: str) -> None:
    final = dockerfile_of(name)[-1]
    assert final.command == ["python", "-m", f"assay.{name}.main"]
    assert find_spec(final.command[-1]) is not None
    assert "command" not in SERVICES[name]


@pytest.mark.parametrize("name", OURS)
def test_an_image_is_small_in_rights(name: str) -> None:
    stages = dockerfile_of(name)
    assert len(stages) == 2, "tools and caches stay in the first stage"
    final = stages[-1]
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", final.all("USER")[-1])
    assert final.all("EXPOSE") == [final.environment["ASSAY_HTTP__PORT"]]
    assert SERVICES[name]["read_only"] is True
    assert SERVICES[name]["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in SERVICES[name]["security_opt"]


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_every_container_says_whether_it_is_well(name: str) -> None:
    check = SERVICES[name]["healthcheck"]
    assert check["test"][0] == "CMD"
    assert check["start_period"]
    assert SERVICES[name]["restart"] == "unless-stopped"


def test_health_checks_ask_at_addresses_that_exist() -> None:
    paths = {route.path for route in Health().router().routes}  # type: ignore[attr-defined]
    for name in RUN_BY_US:
        asked = re.search(r"127\.0\.0\.1:\d+(/\w+)", " ".join(SERVICES[name]["healthcheck"]["test"]))
        assert asked
        assert asked[1] in paths
        own = re.search(r"127\.0\.0\.1:\d+(/\w+)", dockerfile_of(name.removesuffix("-gpu"))[-1].all("HEALTHCHECK")[0])
        assert own
        assert own[1] in paths


def test_whoever_depends_waits_for_health() -> None:
    for name, service in SERVICES.items():
        for other, how in service.get("depends_on", {}).items():
            assert other in SERVICES
            assert how["condition"] == "service_healthy", f"{name} on {other}"


def test_only_the_gateway_listens_beyond_this_machine() -> None:
    open_to_all = [
        name for name, each in SERVICES.items() for port in each.get("ports", ()) if "127.0.0.1:" not in port
    ]
    assert open_to_all == ["gateway"]
    assert SERVICES["gateway"]["ports"] == ["8080:8080"]
    assert read_compose({"ASSAY_PORT": "9999"})["services"]["gateway"]["ports"] == ["9999:8080"]


def test_links_follow_the_port() -> None:
    environment = read_compose({"ASSAY_PORT": "9999"})["services"]["upload"]["environment"]
    assert environment["ASSAY_PUBLIC_URL"] == environment["ASSAY_S3__PUBLIC_URL"] == "http://localhost:9999"


def test_internal_addresses_are_those_of_services() -> None:
    gateway = SERVICES["gateway"]["environment"]
    assert {name: gateway[name] for name in ("UPLOAD", "RESULTS", "NOTIFY")} == {
        name: f"{name.lower()}:{port_of(SERVICES[name.lower()])}" for name in ("UPLOAD", "RESULTS", "NOTIFY")
    }
    storage = urlsplit(SERVICES["upload"]["environment"]["ASSAY_S3__ENDPOINT_URL"])
    assert storage.netloc == gateway["STORAGE"] == "minio:9000"
    assert SERVICES["minio"]["command"][-2:] == ["--address", ":9000"]
    assert gateway["STORAGE_BUCKET"] == BUCKET
    peers = json.loads(SERVICES["results"]["environment"]["ASSAY_PEERS"])
    assert peers == {name: [f"http://{name}:{port_of(SERVICES[name])}"] for name in ("upload", "inference", "notify")}
    assert SERVICES["notify"]["environment"]["ASSAY_RESULTS_URL"] == f"http://results:{port_of(SERVICES['results'])}"


def test_the_broker_is_where_the_services_seek_it() -> None:
    kafka = SERVICES["kafka"]["environment"]
    advertised = dict(each.split("://") for each in kafka["KAFKA_ADVERTISED_LISTENERS"].split(","))
    listening = dict(each.split("://") for each in kafka["KAFKA_LISTENERS"].split(","))
    for name in RUN_BY_US:
        assert SERVICES[name]["environment"]["ASSAY_KAFKA__BOOTSTRAP_SERVERS"] == advertised["INSIDE"]
    assert advertised["INSIDE"].endswith(listening["INSIDE"])
    assert advertised["HOST"] == "localhost:9092"
    assert SERVICES["kafka"]["ports"] == ["127.0.0.1:9092" + listening["HOST"]]
    assert SERVICES["kafka"]["healthcheck"]["test"][-1] == "localhost" + listening["INSIDE"]
    largest = max(int(topic.config["max.message.bytes"]) for topic in ALL)
    assert int(kafka["KAFKA_MESSAGE_MAX_BYTES"]) >= largest
    kept_ms = max(int(topic.config.get("retention.ms", 0)) for topic in ALL)
    assert int(kafka["KAFKA_OFFSETS_RETENTION_MINUTES"]) * 60_000 > kept_ms


def test_the_database_is_where_the_services_seek_it(tmp_path: Path) -> None:
    make_secrets(tmp_path)
    for role in ROLES:
        url = urlsplit((tmp_path / f"database_url_{role}").read_text().strip())
        assert (url.username, url.hostname, url.port, url.path) == (role, "postgres", 5432, f"/{DATABASE}")
        assert url.password == (tmp_path / f"postgres_{role}").read_text().strip()
    assert SERVICES["postgres"]["environment"]["POSTGRES_DB"] == DATABASE


def test_secrets_are_files_that_are_made_and_mounted(tmp_path: Path) -> None:
    made = set(make_secrets(tmp_path))
    for name, secret in COMPOSE["secrets"].items():
        assert secret["file"] == f"infra/compose/secrets/{name}"
        assert name in made
    for service in SERVICES.values():
        mounted = service.get("secrets", [])
        assert set(mounted) <= set(COMPOSE["secrets"])
        named = [Path(value).name for value in service.get("environment", {}).values() if "/run/secrets/" in str(value)]
        assert set(named) <= set(mounted)


def test_no_secret_is_in_the_file_itself() -> None:
    for service in SERVICES.values():
        for name, value in service.get("environment", {}).items():
            if re.search("SECRET|PASSWORD|DATABASE__URL", name):
                assert name.endswith("_FILE"), name
                assert value.startswith("/run/secrets/")


def test_secrets_once_made_stay(tmp_path: Path) -> None:
    make_secrets(tmp_path)
    before = {path.name: path.read_text() for path in tmp_path.iterdir()}
    (tmp_path / "auth_secret").unlink()
    assert make_secrets(tmp_path) == ["auth_secret"]
    after = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert {name for name in before if before[name] != after[name]} == {"auth_secret"}
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o700


def test_files_that_are_mounted_or_built_exist() -> None:
    for service in SERVICES.values():
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            assert (ROOT / source).exists() if source.startswith("./") else source in COMPOSE["volumes"], volume
        if "build" in service:
            assert (ROOT / service["build"]["context"] / service["build"]["dockerfile"]).is_file()
        for network in service.get("networks", ()):
            assert network in COMPOSE["networks"]


def test_what_decodes_strangers_files_reaches_nobody_outside() -> None:
    assert COMPOSE["networks"]["inside"]["internal"] is True
    for name in ("inference", "inference-gpu"):
        assert list(SERVICES[name]["networks"]) == ["inside"]


def test_cuda_is_a_profile() -> None:
    gpu = SERVICES["inference-gpu"]
    assert gpu["profiles"] == ["gpu"]
    assert gpu["environment"]["ASSAY_DEVICE"] == "cuda"
    assert gpu["deploy"]["resources"]["reservations"]["devices"][0]["capabilities"] == ["gpu"]
    assert gpu["networks"]["inside"]["aliases"] == ["inference"], "results asks it under the name of the other"
    assert gpu["environment"]["ASSAY_SLOT"] != SERVICES["inference"]["environment"].get("ASSAY_SLOT", "0")
    assert [name for name, each in SERVICES.items() if each.get("profiles")] == ["inference-gpu"]
