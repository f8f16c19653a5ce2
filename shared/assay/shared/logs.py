"""Logs: a constant event name plus fields. Readable on a terminal, JSON otherwise, with the trace they belong to."""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog
from opentelemetry import trace

from assay.shared.settings import LogSettings

# Never shown, whatever code logs them.
SECRET_FIELDS = frozenset({"authorization", "cookie", "password", "secret", "token", "secret_access_key"})

# Libraries that speak of every request or poll at info.
QUIET = ("aiokafka", "botocore", "boto3", "urllib3", "httpx", "httpcore", "faststream", "alembic", "uvicorn.access")


def _with_trace(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        event["trace_id"] = f"{context.trace_id:032x}"
        event["span_id"] = f"{context.span_id:016x}"
    return event


def _masked(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for name in SECRET_FIELDS.intersection(event):
        event[name] = "***"
    return event


def install(service: str, settings: LogSettings) -> None:
    """Send structlog's and the standard library's logs to standard error."""

    def named(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event["service"] = service
        return event

    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        named,
        _with_trace,
        _masked,
    ]
    console = settings.format == "console" or (settings.format == "auto" and sys.stderr.isatty())
    rendering: list[structlog.typing.Processor] = (
        [structlog.dev.ConsoleRenderer()]
        if console
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(default=str)]
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendering],
        )
    )
    logging.basicConfig(handlers=[handler], level=settings.level.upper(), force=True)
    # Said at every connection with SASL_PLAINTEXT, which is the operator's choice.
    logging.getLogger("aiokafka.conn").addFilter(lambda record: "in the clear" not in record.getMessage())
    # It warns of each malformed form, which is the client's to hear.
    logging.getLogger("python_multipart").setLevel(logging.ERROR)
    for name in QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLogger().level))
