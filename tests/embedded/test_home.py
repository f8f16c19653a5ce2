"""What a home keeps: its lock, ports, credentials, logs."""

import os
import shutil
import socket
import stat
from pathlib import Path
from typing import NamedTuple

import pytest

from assay.embedded import credentials
from assay.embedded.errors import AlreadyRunningError, ProcessFailedError, StackError
from assay.embedded.home import Home
from assay.embedded.logfile import LogFile
from assay.embedded.ports import Ports
from assay.embedded.restarts import Restarts


def test_one_at_a_time(tmp_path: Path) -> None:
    first = Home(tmp_path / "home")
    first.open()
    with pytest.raises(AlreadyRunningError, match=str(os.getpid())):
        Home(tmp_path / "home").open()
    first.close()
    second = Home(tmp_path / "home")
    second.open()
    second.close()


def test_a_full_disk_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Usage(NamedTuple):
        total: int
        used: int
        free: int

    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10**12, 10**12, 5 * 10**6))
    with pytest.raises(StackError, match=r"only 5 MB are free .* set ASSAY_HOME"):
        Home(tmp_path / "home").open()


def test_a_folder_that_cannot_be_made_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StackError, match=r"cannot make the folder .*Not a directory; set ASSAY_HOME"):
        Home(tmp_path / "file" / "home").open()


def test_ports_are_kept_and_chosen_again_where_taken(tmp_path: Path) -> None:
    home = Home(tmp_path)
    ports = Ports(home)
    ports.secure(["a", "b"])
    a, b = ports["a"], ports["b"]
    assert a != b
    ports.release()
    with socket.create_server(("127.0.0.1", a)):
        again = Ports(home)
        again.secure(["a", "b"])
    assert again["a"] not in (a, b)
    assert again["b"] == b


def test_two_stacks_that_start_at_once_never_choose_the_same_port(tmp_path: Path) -> None:
    one, other = Ports(Home(tmp_path)), Ports(Home(tmp_path))
    one.secure(["a"])
    other.secure(["a"])  # nobody listens yet, and the first one's choice stands in the file
    assert other["a"] != one["a"]
    one.release()
    other.release()


def test_credentials_are_made_once_and_private(tmp_path: Path) -> None:
    home = Home(tmp_path)
    first = credentials.load(home)
    assert credentials.load(Home(tmp_path)) == first
    assert stat.S_IMODE((tmp_path / "credentials.json").stat().st_mode) == 0o600
    assert len(set(vars(first).values())) == len(vars(first))


def test_a_later_version_adds_a_secret_and_keeps_the_others(tmp_path: Path) -> None:
    home = Home(tmp_path)
    first = credentials.load(home)
    kept = home.read_json("credentials.json")
    del kept["auth_secret"]
    home.write_json("credentials.json", kept)
    second = credentials.load(home)
    assert second.kafka_password == first.kafka_password
    assert len(second.auth_secret) >= 32
    assert credentials.load(home) == second


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "ports.json").write_text("{")
    with pytest.raises(StackError, match=r"ports\.json is not JSON"):
        Ports(Home(tmp_path))


def test_logs_are_bounded_while_a_child_writes(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "a.log", largest_bytes=1000)
    descriptor = log.open()
    for number in range(6):
        os.write(descriptor, f"{number}".encode() * 1001)
        log.trim()
    os.write(descriptor, b"end")
    os.close(descriptor)
    assert (tmp_path / "a.log").read_bytes() == b"end"
    assert [(tmp_path / f"a.log.{n}").read_bytes()[:1] for n in (1, 2, 3)] == [b"5", b"4", b"3"]
    assert len(list(tmp_path.iterdir())) == 4
    log.begin()
    assert not (tmp_path / "a.log").exists()
    assert (tmp_path / "a.log.1").read_bytes() == b"end"


def test_the_error_of_a_process_names_its_log_and_last_line(tmp_path: Path) -> None:
    (tmp_path / "kafka.log").write_text("one\nno space left on device\n\n")
    error = ProcessFailedError("kafka", "ended with status 1", tmp_path / "kafka.log")
    assert str(error) == (
        f"kafka ended with status 1; its log is {tmp_path}/kafka.log and ends with: no space left on device"
    )


def test_waits_double_up_to_a_limit_and_begin_anew_after_a_steady_life(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("assay.embedded.restarts.time.monotonic", lambda: now)
    restarts = Restarts()
    assert [restarts.record_death(started_at=now - 1) for _ in range(8)] == [0.5, 1, 2, 4, 8, 16, 30, 30]
    assert not restarts.is_due()
    now += 31
    assert restarts.is_due()
    assert restarts.record_death(started_at=now - 61) == 0.5
