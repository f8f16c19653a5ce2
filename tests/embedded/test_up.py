"""`assay up`: everything starts, is looked after, and ends."""

import os
import signal
import stat
import subprocess
from pathlib import Path

import boto3
import psutil
import pytest
from botocore.config import Config

from assay.embedded.errors import AlreadyRunningError
from assay.embedded.stack import Stack
from embedded.conftest import RunningDriver, gone, wait_for

pytestmark = pytest.mark.timeout(180)


def sql(driver: RunningDriver, statement: str) -> str:
    """Run a statement as the superuser."""
    return Stack(driver.home).postgres.query("assay", statement)


def s3(driver: RunningDriver, endpoint: str | None = None):  # type: ignore[no-untyped-def]
    lines = Stack(driver.home).environment()
    return boto3.client(
        "s3",
        endpoint_url=endpoint or lines["ASSAY_S3__ENDPOINT_URL"],
        region_name=lines["ASSAY_S3__REGION"],
        aws_access_key_id=lines["ASSAY_S3__ACCESS_KEY_ID"],
        aws_secret_access_key=lines["ASSAY_S3__SECRET_ACCESS_KEY"],
        config=Config(s3={"addressing_style": "path"}),
    )


def test_lines_that_can_be_pasted(driver: RunningDriver) -> None:
    lines = driver.printed.splitlines()
    token = (driver.home / "token").read_text().strip()
    assert f"http://localhost:{driver.port}/#token={token}" in lines
    assert any(f"ASSAY_HOME={driver.home}" in line and "/bin/assay submit /" in line for line in lines)
    curl = next(line for line in lines if line.startswith("curl "))
    pasted = ["sh", "-c", curl.replace("curl ", "printf '%s\\n' ", 1)]
    shown = subprocess.run(pasted, capture_output=True, text=True, check=True, cwd="/")
    assert f"Authorization: Bearer {token}" in shown.stdout


def test_the_gateway_routes_to_every_service(driver: RunningDriver) -> None:
    asked = {
        "GET /api/v1/limits": "upload",
        "POST /api/v1/files": "upload",
        "POST /api/v1/files/1/runs": "upload",
        "PATCH /api/v1/uploads/1": "upload",
        "POST /api/v1/files/1/feedback": "results",
        "POST /api/v1/session": "results",
        "GET /api/v1/files/1": "results",
        "GET /api/v1/files/1/events": "notify",
        "GET /api/v1/events": "notify",
        "GET /docs": "results",
    }
    answered = {}
    for line in asked:
        method, path = line.split()
        status, body = driver.ask(path, method)
        assert status == 200, line
        assert body["host"] == f"localhost:{driver.port}"
        answered[line] = body["service"]
    assert answered == asked
    assert driver.ask("/readyz")[1]["path"] == "/stack/readyz"


def test_both_replicas_answer(driver: RunningDriver) -> None:
    assert {driver.ask("/api/v1/limits")[1]["slot"] for _ in range(20)} == {"0", "1"}


def test_a_service_sees_only_its_own_settings(driver: RunningDriver) -> None:
    upload = driver.ask("/api/v1/limits")[1]["environment"]
    notify = driver.ask("/api/v1/events")[1]["environment"]
    assert upload["ASSAY_DATABASE__URL"].startswith("postgresql+asyncpg://upload:")
    assert upload["ASSAY_S3__PUBLIC_URL"] == f"http://localhost:{driver.port}"
    assert upload["ASSAY_LOG__LEVEL"] == "debug"  # given by the user
    assert notify["ASSAY_DATABASE__URL"].startswith("postgresql+asyncpg://notify:")
    assert notify["ASSAY_RESULTS_URL"].startswith("http://127.0.0.1:")
    assert not {"ASSAY_S3__PUBLIC_URL", "ASSAY_LOG__LEVEL", "ASSAY_KAFKA__SASL_PASSWORD"} & notify.keys()


def test_signed_links_pass_through_the_gateway(driver: RunningDriver) -> None:
    s3(driver).put_object(Bucket="assay", Key="through/the gateway", Body=b"{}")
    public = s3(driver, f"http://localhost:{driver.port}")
    link = public.generate_presigned_url("get_object", Params={"Bucket": "assay", "Key": "through/the gateway"})
    assert driver.ask(link.removeprefix(f"http://localhost:{driver.port}"))[0] == 200
    assert driver.ask("/assay/through/the%20gateway")[0] == 403


def test_only_the_loopback_address_is_listened_on(driver: RunningDriver) -> None:
    listening = [
        connection.laddr.ip
        for process in driver.family()
        for connection in process.net_connections(kind="inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert len(listening) > 12
    assert {address.removeprefix("::ffff:") for address in listening} == {"127.0.0.1"}


def test_nobody_else_can_read_the_home(driver: RunningDriver) -> None:
    assert stat.S_IMODE(driver.home.stat().st_mode) == 0o700
    for name in ("token", "credentials.json", "kafka/server.properties", "seaweedfs/s3.json", "logs/kafka.log"):
        assert stat.S_IMODE((driver.home / name).stat().st_mode) == 0o600, name


def test_postgres_never_runs_as_root(driver: RunningDriver) -> None:
    """Started by root it gives root up, and all its capabilities but the one to search folders."""
    server = psutil.Process(driver.pid("postgres"))
    status = Path(f"/proc/{server.pid}/status").read_text()
    capabilities = next(line for line in status.splitlines() if line.startswith("CapEff")).split()[1]
    if os.geteuid() == 0:
        assert server.uids().effective != 0
        assert int(capabilities, 16).bit_count() == 1
    else:
        assert server.uids().effective == os.geteuid()
        assert int(capabilities, 16) == 0


def test_a_second_start_on_the_same_home_is_refused(driver: RunningDriver) -> None:
    with pytest.raises(AlreadyRunningError, match=r"already runs .* set ASSAY_HOME and ASSAY_PORT"):
        Stack(driver.home).start()
    assert driver.ask("/readyz")[0] == 200


def test_a_taken_port_is_one_clear_line(driver: RunningDriver, tmp_path: Path) -> None:
    second = RunningDriver(tmp_path / "second")
    second.port = driver.port
    second.start()
    assert second.process.wait(10) == 1
    assert second.said(rf"^assay: port {driver.port} is taken by another program; .*ASSAY_PORT=\d+ make up$")


def test_a_service_that_dies_is_started_again(driver: RunningDriver) -> None:
    before = driver.pid("upload-0")
    os.kill(before, signal.SIGKILL)
    wait_for(lambda: driver.pid("upload-0") not in (0, before), 15)
    wait_for(lambda: driver.ask("/api/v1/limits")[1]["pid"] == driver.pid("upload-0"), 15)
    assert driver.said(
        r"^assay: upload-0 was killed by SIGKILL; starting it again in 0\.5 s; its log is /.*upload-0\.log$"
    )


def test_a_part_that_dies_is_started_again(driver: RunningDriver) -> None:
    sql(driver, "CREATE TABLE upload.survives (word text); INSERT INTO upload.survives VALUES ('a crash')")
    before = driver.pid("postgres")
    os.kill(before, signal.SIGKILL)
    wait_for(lambda: driver.said(r"postgres was killed by SIGKILL; starting it again"), 10)
    wait_for(lambda: driver.pid("postgres") not in (0, before) and Stack(driver.home).postgres.is_ready(), 20)
    assert sql(driver, "SELECT word FROM upload.survives") == "a crash"


def test_nothing_outlives_a_supervisor_that_is_killed_and_data_stays(driver: RunningDriver) -> None:
    """Also what ignores SIGTERM: the stand-in of inference has such a child."""
    sql(driver, "CREATE TABLE upload.kept (word text); INSERT INTO upload.kept VALUES ('here')")
    s3(driver).put_object(Bucket="assay", Key="kept", Body=b"here")
    family = driver.family()
    assert len(family) > 10
    driver.process.kill()
    driver.process.wait()
    wait_for(lambda: gone(family), 10)

    # 20 s on a machine with nothing else to do, longer where others wait for its cores too.
    waiting = os.getloadavg()[0] / (os.cpu_count() or 1)
    assert driver.start() < 20 * max(1.0, waiting)
    assert driver.said(r"^assay: ready after"), driver.printed
    assert sql(driver, "SELECT word FROM upload.kept") == "here"
    assert s3(driver).get_object(Bucket="assay", Key="kept")["Body"].read() == b"here"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_everything_in_time(driver: RunningDriver, number: signal.Signals) -> None:
    family = driver.family()
    status, seconds = driver.stop(number)
    assert status == 0, driver.printed
    assert seconds < 15
    assert gone(family)
    assert "Traceback" not in driver.printed


def test_a_service_that_cannot_start_stops_the_start(stopped: RunningDriver) -> None:
    failing = RunningDriver(stopped.home, {"results": ["exit", "3"]})
    failing.start()
    assert failing.process.wait(20) == 1
    assert failing.said(r"^assay: results-0 ended with status 3; its log is /\S+ and ends with: results cannot start$")
    assert "Traceback" not in failing.printed


@pytest.mark.parametrize(
    ("variable", "line"),
    [
        ("ASSAY_LOG__LEVLE", "assay: ASSAY_LOG__LEVLE is no setting of Assay; did you mean ASSAY_LOG__LEVEL?"),
        ("ASSAY_DATABASE__URL", "assay: ASSAY_DATABASE__URL is set, but the embedded stack decides it itself; "),
    ],
)
def test_a_wrong_variable_stops_the_start(stopped: RunningDriver, variable: str, line: str) -> None:
    wrong = RunningDriver(stopped.home, {"upload": []}, **{variable: "debug"})
    wrong.start()
    assert wrong.process.wait(20) == 1
    assert wrong.said(f"^{line.replace('?', '[?]')}")
