"""Reads `assay.verdicts` and prints each file's report as one line. Built from the published JSON Schema alone."""

import asyncio
import json
import os
import signal
import ssl
import sys
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRecord
from jsonschema import Draft202012Validator

TOPIC = "assay.verdicts"
TYPE = "assay.run.completed.v1"
PREFIX = "ASSAY_KAFKA__"
CHECKOUT = Path(__file__).resolve().parents[3] / "shared" / "assay" / "contracts" / "schemas"


class Reports:
    """The latest report of each file, as far as they were read."""

    def __init__(self, schema: dict[str, Any]) -> None:
        self._validator = Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
        self._shown: dict[str, int] = {}

    def line_of(self, record: ConsumerRecord) -> str | None:
        """What to print; None for what is no news. Raises ValueError where an event is not what its type promises."""
        file_id = (record.key or b"").decode()
        if not record.value:
            self._shown.pop(file_id, None)
            return f"{file_id}\tdeleted"
        headers = {name: value.decode() for name, value in record.headers if value is not None}
        if headers.get("ce_type") != TYPE or "assay_redrive_group" in headers:
            return None
        event = json.loads(record.value)
        wrong = next(self._validator.iter_errors(event), None)
        if wrong is not None:
            raise ValueError(f"{wrong.json_path}: {wrong.message}")
        if event["run_number"] <= self._shown.get(file_id, 0):
            return None
        self._shown[file_id] = event["run_number"]
        report = event["report"]
        score = report.get("score")
        columns = (
            file_id,
            str(event["run_number"]),
            report["label"],
            "-" if score is None else f"{score:.3f}",
            " ".join(report["summary"].split()),
        )
        return "\t".join(columns)


def connection() -> dict[str, Any]:
    """Arguments for Kafka's client, from the environment."""
    protocol = os.environ.get(f"{PREFIX}SECURITY_PROTOCOL", "PLAINTEXT")
    ca_file = os.environ.get(f"{PREFIX}SSL_CA_FILE")
    return {
        "bootstrap_servers": os.environ[f"{PREFIX}BOOTSTRAP_SERVERS"].split(","),
        "security_protocol": protocol,
        "ssl_context": ssl.create_default_context(cafile=ca_file) if protocol.endswith("SSL") else None,
        "sasl_mechanism": os.environ.get(f"{PREFIX}SASL_MECHANISM", "PLAIN"),
        "sasl_plain_username": os.environ.get(f"{PREFIX}SASL_USERNAME"),
        "sasl_plain_password": os.environ.get(f"{PREFIX}SASL_PASSWORD"),
    }


async def subscribe(reports: Reports) -> None:
    """Print reports until SIGTERM or Ctrl-C."""
    consumer = AIOKafkaConsumer(
        TOPIC,
        group_id=os.environ.get("SUBSCRIBER_GROUP", "example-subscriber-python"),
        auto_offset_reset="earliest",
        # An offset is committed after its line was printed: at least once.
        enable_auto_commit=False,
        **connection(),
    )
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    await consumer.start()
    try:
        while not stopping.is_set():
            batches = await consumer.getmany(timeout_ms=500)
            for record in (each for batch in batches.values() for each in batch):
                show(reports, record)
            if batches:
                await consumer.commit()
    finally:
        await consumer.stop()


def show(reports: Reports, record: ConsumerRecord) -> None:
    """Print a record's line, or on standard error why it has none."""
    try:
        line = reports.line_of(record)
    except ValueError as error:
        print(f"passed over {record.topic}/{record.partition}/{record.offset}: {error}", file=sys.stderr, flush=True)
        return
    if line is not None:
        print(line, flush=True)


if __name__ == "__main__":
    folder = Path(os.environ.get("SUBSCRIBER_SCHEMAS") or CHECKOUT)
    schema = json.loads((folder / f"{TYPE}.json").read_text(encoding="utf-8"))
    asyncio.run(subscribe(Reports(schema)))
