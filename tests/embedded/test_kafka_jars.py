"""The broker's jars are those that the lock names."""

import hashlib

from assay.embedded import kafka_jars


def test_the_lock_names_one_version_of_each_jar() -> None:
    jars = kafka_jars.locked_jars()
    names = [jar.name for jar in jars]
    assert len(set(names)) == len(names)
    assert {jar.version for jar in jars if jar.group == "org.apache.kafka"} == {kafka_jars.VERSION}
    assert "log4j-slf4j-impl" in names


def test_what_lies_there_is_what_the_lock_names() -> None:
    folder = kafka_jars.ensure(lambda line: None)
    for jar in kafka_jars.locked_jars():
        assert hashlib.sha256((folder / jar.file_name).read_bytes()).hexdigest() == jar.sha256, jar.file_name
