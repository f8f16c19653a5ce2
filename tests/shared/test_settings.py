"""Settings come from the environment; a wrong or unknown one stops the start with one clear line."""

import os
import subprocess
import sys
from pathlib import Path

from pydantic import Field

from assay.shared.settings import AuthSettings, KafkaSettings, ServiceSettings, describe, known_names, unknown_names

PROGRAM = """
from assay.shared.settings import AuthSettings, ServiceSettings, load

class Settings(ServiceSettings):
    auth: AuthSettings

settings = load(Settings)
print(settings.kafka.bootstrap_servers, settings.auth.secret.get_secret_value(), settings.http.port, settings)
"""
GOOD = {"ASSAY_KAFKA__BOOTSTRAP_SERVERS": "broker:9092", "ASSAY_AUTH__SECRET": "s" * 32}


class Settings(ServiceSettings):
    auth: AuthSettings
    analyzer: dict[str, dict[str, str]] = Field(default_factory=dict)


def _start(**environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("ASSAY_")}
    return subprocess.run(
        [sys.executable, "-c", PROGRAM], env={**inherited, **environment}, capture_output=True, text=True, check=False
    )


def test_settings_are_read_and_secrets_are_not_shown() -> None:
    done = _start(**GOOD, ASSAY_HTTP__PORT="81")
    assert done.stdout.startswith(f"broker:9092 {'s' * 32} 81 ")
    assert done.stdout.count("s" * 32) == 1


def test_a_secret_can_lie_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("f" * 32 + "\n")
    done = _start(ASSAY_KAFKA__BOOTSTRAP_SERVERS="broker:9092", ASSAY_AUTH__SECRET_FILE=str(tmp_path / "secret"))
    assert "f" * 32 in done.stdout
    gone = _start(ASSAY_KAFKA__BOOTSTRAP_SERVERS="broker:9092", ASSAY_AUTH__SECRET_FILE=str(tmp_path / "gone"))
    assert (gone.returncode, gone.stderr.count("\n")) == (2, 1)
    assert "gone" in gone.stderr


def test_a_misspelt_name_stops_the_start_and_names_what_was_meant() -> None:
    done = _start(**GOOD, ASSAY_KAFKA__BOOTSTRAP_SERVER="x")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "did you mean ASSAY_KAFKA__BOOTSTRAP_SERVERS?" in done.stderr


def test_a_wrong_value_stops_the_start_and_is_named() -> None:
    done = _start(**GOOD, ASSAY_HTTP__PORT="many")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "ASSAY_HTTP__PORT" in done.stderr


def test_a_missing_setting_is_named() -> None:
    done = _start(ASSAY_AUTH__SECRET="s" * 32)
    assert done.returncode == 2
    assert "ASSAY_KAFKA" in done.stderr


def test_names_of_nested_and_free_settings_are_known() -> None:
    known = known_names(Settings)
    assert {"ASSAY_KAFKA__SASL_PASSWORD", "ASSAY_KAFKA__SASL_PASSWORD_FILE", "ASSAY_SLOT"} <= known
    assert unknown_names({"ASSAY_ANALYZER__PROVENANCE__TRUST_ANCHORS": "x", "HOME": "y"}, known) == []


def test_every_setting_is_described() -> None:
    for setting in (*describe(Settings), *describe(KafkaSettings)):
        assert setting.description or setting.name.endswith("*"), setting.name
