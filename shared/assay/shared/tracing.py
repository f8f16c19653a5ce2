"""Traces: W3C context through HTTP and Kafka headers, so that one upload is one trace through every hop."""

import atexit
import json
import logging
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from logging.handlers import RotatingFileHandler
from pathlib import Path

from opentelemetry import propagate, trace
from opentelemetry.context import Context, attach, detach
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from assay.shared.settings import TraceSettings

MAX_FILE_BYTES = 20 * 1024 * 1024

_tracer = trace.get_tracer("assay")
_is_recording = False


class SpanFile(SpanExporter):
    """Appends spans to a file, one JSON object a line; the file is rotated once at 20 MiB."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lines = RotatingFileHandler(path, maxBytes=MAX_FILE_BYTES, backupCount=1, encoding="utf-8")

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        for span in spans:
            record = logging.LogRecord("span", logging.INFO, "", 0, _as_line(span), None, None)
            self._lines.emit(record)
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        self._lines.close()


def _as_line(span: ReadableSpan) -> str:
    context = span.get_span_context()
    assert context is not None
    return json.dumps(
        {
            "trace_id": f"{context.trace_id:032x}",
            "span_id": f"{context.span_id:016x}",
            "parent_id": f"{span.parent.span_id:016x}" if span.parent else None,
            "service": span.resource.attributes.get("service.name"),
            "name": span.name,
            "kind": span.kind.name.lower(),
            "start_ns": span.start_time,
            "end_ns": span.end_time,
            "status": span.status.status_code.name.lower(),
            "attributes": dict(span.attributes or {}),
            "events": [
                {"name": event.name, "at_ns": event.timestamp, **(event.attributes or {})} for event in span.events
            ],
        },
        default=str,
    )


def install(service: str, settings: TraceSettings) -> None:
    """Send this process' spans to where the settings say."""
    global _is_recording
    provider = TracerProvider(resource=Resource.create({"service.name": service}))
    if settings.path is not None:
        provider.add_span_processor(BatchSpanProcessor(SpanFile(settings.path), schedule_delay_millis=500))
    if settings.otlp_endpoint is not None:
        exporter = OTLPSpanExporter(endpoint=settings.otlp_endpoint.rstrip("/") + "/v1/traces")
        provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    _is_recording = settings.path is not None or settings.otlp_endpoint is not None
    atexit.register(provider.shutdown)


def is_recording() -> bool:
    """Whether anybody gets this process' spans; a busy loop need not make any where nobody does."""
    return _is_recording


def current_trace_id() -> str | None:
    """The trace that this code runs in, 32 hex digits; None outside of any."""
    context = trace.get_current_span().get_span_context()
    return f"{context.trace_id:032x}" if context.is_valid else None


def carrier() -> dict[str, str]:
    """The current trace context as headers: `traceparent`, and `tracestate` where there is one (W3C Trace Context).

    Written here, since every event passes: the SDK's propagators take ten times as long.
    """
    context = trace.get_current_span().get_span_context()
    if not context.is_valid:
        return {}
    headers = {"traceparent": f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"}
    if context.trace_state:
        headers["tracestate"] = context.trace_state.to_header()
    return headers


def context_of(headers: Iterable[tuple[str, bytes | None]]) -> Context:
    """The trace context that a Kafka record or an HTTP request carries; an empty one where it carries none."""
    wanted = {"traceparent", "tracestate"}
    found = {
        name.lower(): value.decode("latin-1") for name, value in headers if value is not None and name.lower() in wanted
    }
    return propagate.extract(found, context=Context())


@contextmanager
def continued(context: Context) -> Iterator[None]:
    """Run the block in a trace that came from elsewhere, without a span of its own."""
    token = attach(context)
    try:
        yield
    finally:
        detach(token)


@contextmanager
def step(name: str) -> Iterator[None]:
    """Note when the block began and ended in the current span: a tenth of what a span of its own costs."""
    current = trace.get_current_span()
    began = time.time_ns()
    try:
        yield
    finally:
        if current.is_recording():
            current.add_event(name, {"began_ns": began})


@contextmanager
def span(
    name: str, *, kind: SpanKind = SpanKind.INTERNAL, context: Context | None = None, **attributes: str | int | float
) -> Iterator[Span]:
    """Run the block in a span. An exception marks it as failed and goes on."""
    with _tracer.start_as_current_span(name, context=context, kind=kind, attributes=attributes) as current:
        try:
            yield current
        except Exception as error:
            current.set_status(Status(StatusCode.ERROR, type(error).__name__))
            raise


@contextmanager
def spans(
    begun: Sequence[tuple[str, Context]], *, kind: SpanKind, **attributes: str | int | float
) -> Iterator[Sequence[Context]]:
    """Run the block in several spans at once, each (name, context) in a trace of its own; none is the current one.

    Gives a context for each, to be `continued`. An exception marks all of them as failed and goes on.
    """
    opened = [_tracer.start_span(name, context=context, kind=kind, attributes=attributes) for name, context in begun]
    try:
        yield [trace.set_span_in_context(each, context) for each, (_, context) in zip(opened, begun, strict=True)]
    except Exception as error:
        for each in opened:
            each.record_exception(error)
            each.set_status(Status(StatusCode.ERROR, type(error).__name__))
        raise
    finally:
        for each in opened:
            each.end()
