"""An analyzer is announced once it takes work; one that cannot stays out, and the others go on."""

import json
import subprocess
import sys

import httpx
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from support.services import ServiceProcess

from assay.contracts import AnalyzerRegistered
from assay.shared.kafka import connection
from inference.lab import Lab


async def test_manifests_of_those_that_work_are_published(lab: Lab, worker: ServiceProcess) -> None:
    def names() -> set[str]:
        return {each.event.manifest.name for each in lab.seen if isinstance(each.event, AnalyzerRegistered)}

    await lab.until(lambda: {"brightness", "hostile"} <= names())
    assert not names() & {"without-weights", "not-importable"}


def test_those_that_cannot_load_stay_out_with_one_line_each(worker: ServiceProcess) -> None:
    lines = [json.loads(line) for line in worker.log.read_text().splitlines() if line.startswith("{")]
    out = {line["analyzer"]: line["reason"] for line in lines if line["event"] == "analyzer_stays_out"}
    assert set(out) == {"without-weights", "not-importable"}
    assert out["without-weights"].startswith("WeightsMissingError: the weights missing.safetensors (sha256 abab")
    assert out["without-weights"].endswith("run `assay models pull without-weights`")


def test_ready_means_that_each_analyzer_takes_work(worker: ServiceProcess) -> None:
    answer = httpx.get(f"{worker.url}/readyz")
    assert answer.status_code == httpx.codes.OK
    needs = {"kafka", "s3", "analyzers", "analyzer brightness", "analyzer hostile"}
    assert set(answer.json()["dependencies"]) == needs
    assert httpx.get(f"{worker.url}/healthz").json() == {"status": "ok", "stalled": {}}
    assert 'assay_analyzer_up{analyzer="brightness",version="1.2.3"} 1.0' in httpx.get(f"{worker.url}/metrics").text


async def test_its_group_has_an_offset_in_every_partition_of_both_lanes(lab: Lab, worker: ServiceProcess) -> None:
    admin = AIOKafkaAdminClient(**connection(lab.kafka))
    await admin.start()
    try:
        offsets = await admin.list_consumer_group_offsets("assay.inference.brightness")
    finally:
        await admin.close()
    wanted = {TopicPartition(lane, number) for lane in ("assay.files", "assay.files.bulk") for number in range(12)}
    assert {partition for partition, committed in offsets.items() if committed.offset >= 0} == wanted


def test_a_wrong_setting_stops_the_start_with_one_line(environment: dict[str, str]) -> None:
    lines = {**environment, "ASSAY_ANALYZERS": "brightness", "ASSAY_ANALYZER__BRIGHTNESS__THRESHOLD": "high"}
    command = [sys.executable, "-m", "assay.inference.main"]
    done = subprocess.run(command, env=lines, capture_output=True, text=True, timeout=100, check=False)
    (line,) = done.stderr.splitlines()
    assert line.startswith("assay: wrong settings: ASSAY_ANALYZER__BRIGHTNESS__THRESHOLD: Input should be")
    assert done.returncode == 2
