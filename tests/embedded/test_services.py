"""Which settings a service of the stack gets."""

from pathlib import Path

import pytest

from assay.embedded.home import Home
from assay.embedded.services import Replica, program, services


def models_path(name: str, home: Path, given: dict[str, str]) -> str | None:
    (service,) = [each for each in services() if each.name == name]
    replica = Replica(service, 0, 12345)
    made = program(replica, all_replicas=[replica], parts={}, home=Home(home), given=given)
    return made.environment.get("ASSAY_MODELS__PATH")


def test_workers_look_for_weights_where_the_command_line_puts_them(tmp_path: Path) -> None:
    assert models_path("inference", tmp_path, {}) == str(tmp_path / "models")


def test_a_folder_of_ones_own_is_meant_from_where_the_stack_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    given = {"ASSAY_MODELS__PATH": "weights"}
    assert models_path("inference", tmp_path / "home", given) == str(tmp_path / "weights")


def test_services_without_analyzers_hear_nothing_of_weights(tmp_path: Path) -> None:
    assert models_path("results", tmp_path, {"ASSAY_MODELS__PATH": "weights"}) is None
