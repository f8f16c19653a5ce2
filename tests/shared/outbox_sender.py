"""A process that only sends an outbox, for tests that kill it. Run as: outbox_sender.py SCHEMA"""

import asyncio
import os
import sys

from pydantic import SecretStr
from sqlalchemy.orm import DeclarativeBase
from support.topics import kafka_settings

from assay.shared.database import build_engine
from assay.shared.kafka import Publisher
from assay.shared.outbox import Outbox, OutboxRow
from assay.shared.settings import DatabaseSettings


class Base(DeclarativeBase):
    pass


class Rows(OutboxRow, Base):
    pass


async def main(schema: str) -> None:
    environment = dict(os.environ)
    settings = DatabaseSettings(url=SecretStr(environment["ASSAY_DATABASE__URL"]), pool_size=2)
    engine = build_engine(settings, schema=schema)
    publisher = Publisher(kafka_settings(environment), source="/test")
    await publisher.start()
    outbox = Outbox(engine, publisher, schema=schema, source="/test")
    await outbox.start()
    print("sending", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
