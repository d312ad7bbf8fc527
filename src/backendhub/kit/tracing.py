"""OpenTelemetry: a span and a duration for every request, a span for every job, sent by OTLP over HTTP.

Asked for by the standard variables (`OTEL_EXPORTER_OTLP_ENDPOINT` and its like) and by nothing else: without them
this module is not imported. Requests do not go through FastAPI's routing, so our own application is what is measured, as
the semantic conventions for HTTP (stable) want it. The SDK reads the other variables: service name, resource attributes,
headers, sampler, intervals.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from threading import Thread
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import uuid4

from backendhub import __version__
from backendhub.kit import telemetry
from backendhub.kit.errors import Invalid, MissingExtra

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.metrics import CallbackOptions, Observation
    from opentelemetry.trace import Span

    from backendhub.kit.jobs import Job

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
"""Upper bounds of `http.server.request.duration` in seconds, as the conventions advise."""
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE", "QUERY"}
Depths = Callable[[], Iterable[tuple[str, str, int]]]
"""Queue, state and number of jobs."""
PATIENCE_S = 4
"""How long the end of a process waits for a collector."""


class Asked(NamedTuple):
    """What a request said, as far as a span tells of it."""

    method: str
    path: str
    query: str
    scheme: str
    host: str
    client: str
    version: str
    agent: str


class Requested:
    """A request whose span has begun."""

    __slots__ = ("labels", "span", "traceparent")

    def __init__(self, span: Span | None, traceparent: str | None, labels: tuple[str, str]) -> None:
        self.span = span  # None where only metrics are sent
        self.traceparent = traceparent
        self.labels = labels


class Tracing:
    """The providers of one process. `close` sends what is left."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        """Raises MissingExtra without the extra `otel`, Invalid for a protocol other than `http/protobuf`."""
        try:
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
        except ImportError:
            raise MissingExtra("OpenTelemetry", "otel") from None
        _check_protocol(environ)
        resource = Resource.create(_about(environ))
        self._exporters: list[OTLPSpanExporter | OTLPMetricExporter] = []
        self._traces = TracerProvider(resource=resource)
        self._traced = telemetry.exports(environ, "TRACES")
        if self._traced:
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.trace.export import BatchSpanProcessor

            spans = OTLPSpanExporter()
            self._exporters.append(spans)
            self._traces.add_span_processor(BatchSpanProcessor(spans))
        self._tracer = self._traces.get_tracer("backendhub", __version__)
        self._propagator = TraceContextTextMapPropagator()
        self._measure(resource, environ)

    def _measure(self, resource: Any, environ: Mapping[str, str]) -> None:
        from opentelemetry.sdk.metrics import MeterProvider

        readers = []
        if telemetry.exports(environ, "METRICS"):
            from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
            from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

            points = OTLPMetricExporter()
            self._exporters.append(points)
            readers.append(PeriodicExportingMetricReader(points))
        self._metrics = MeterProvider(readers, resource=resource)
        self._meter = self._metrics.get_meter("backendhub", __version__)
        self._duration = self._meter.create_histogram(
            "http.server.request.duration",
            "s",
            "Duration of HTTP server requests.",
            explicit_bucket_boundaries_advisory=BUCKETS,
        )
        # Counted here and read when it is sent: two calls of the SDK a request would cost more than the request's own.
        self._active: dict[tuple[str, str], int] = {}
        self._meter.create_observable_up_down_counter(
            "http.server.active_requests",
            [self._count],
            "{request}",
            "Number of active HTTP server requests.",
        )

    def _count(self, options: CallbackOptions) -> Iterable[Observation]:
        from opentelemetry.metrics import Observation

        return [
            Observation(n, {"http.request.method": method, "url.scheme": scheme})
            for (method, scheme), n in self._active.copy().items()
        ]

    def watch_jobs(self, depths: Depths) -> None:
        """Sends how many jobs each queue has in each state; `depths` is asked in the exporter's thread."""

        def observe(options: CallbackOptions) -> Iterable[Observation]:
            from opentelemetry.metrics import Observation

            return [Observation(n, {"queue": queue, "state": state}) for queue, state, n in depths()]

        self._meter.create_observable_gauge("backendhub.jobs", [observe], "{job}", "Jobs by queue and state.")

    # -- requests --------------------------------------------------------------------------------------------

    def begin(self, asked: Asked, parent: str | None, state: str | None) -> Requested:
        """Begins the span of a request, in the trace of its `traceparent` and `tracestate`, and counts it."""
        known = asked.method in METHODS
        method = asked.method if known else "_OTHER"
        labels = (method, asked.scheme)
        self._active[labels] = self._active.get(labels, 0) + 1
        if not self._traced:
            return Requested(None, None, labels)
        from opentelemetry.trace import SpanKind

        host, port = _address(asked.host, asked.scheme)
        about: dict[str, str | int] = {
            "http.request.method": method,
            "url.path": asked.path,
            "url.scheme": asked.scheme,
            "server.address": host,
            "server.port": port,
            "client.address": asked.client,
            "network.protocol.version": asked.version,
        }
        about |= {"url.query": asked.query} if asked.query else {}
        about |= {"user_agent.original": asked.agent} if asked.agent else {}
        about |= {} if known else {"http.request.method_original": asked.method[:50]}
        name = method if known else "HTTP"
        span = self._tracer.start_span(
            name, self._context(parent, state), kind=SpanKind.SERVER, attributes=about
        )
        return Requested(span, _traceparent(span), labels)

    def end(self, requested: Requested, route: str, status: int, seconds: float) -> None:
        """Ends the span of a request and counts it. A `status` of 0: there was no answer."""
        span, labels = requested.span, requested.labels
        self._active[labels] -= 1
        about: dict[str, str | int] = {}
        if status:
            about["http.response.status_code"] = status
        if route != "-":
            about["http.route"] = route
        if status >= 500 or not status:
            about["error.type"] = str(status) if status else "disconnected"
        named = {"http.request.method": labels[0], "url.scheme": labels[1], **about}
        self._duration.record(seconds, named, context=_in(span))
        if span is None:
            return
        if span.is_recording():
            if route != "-":
                span.update_name(f"{labels[0]} {route}")
            if "error.type" in about:
                from opentelemetry.trace import Status, StatusCode

                span.set_status(Status(StatusCode.ERROR))
            span.set_attributes(about)
        span.end()

    # -- jobs ------------------------------------------------------------------------------------------------

    @contextmanager
    def job(self, job: Job, expected: tuple[type[Exception], ...] = ()) -> Iterator[None]:
        """The span of one run of a job, in the trace that it was put in with; what is `expected` is no failure."""
        if not self._traced:
            yield
            return
        from opentelemetry.trace import SpanKind, Status, StatusCode

        about: dict[str, str | int] = {
            "backendhub.job.id": job.id,
            "backendhub.job.name": job.name,
            "backendhub.job.queue": job.queue,
            "backendhub.job.attempt": job.attempts,
        }
        span = self._tracer.start_span(
            f"run {job.name}", self._context(job.traceparent, None), kind=SpanKind.CONSUMER, attributes=about
        )
        before = telemetry.traceparent.set(_traceparent(span))
        try:
            yield
        except Exception as error:
            if not isinstance(error, expected):
                span.record_exception(error)
                span.set_attribute("error.type", type(error).__qualname__)
                span.set_status(Status(StatusCode.ERROR, str(error)))
            raise
        finally:
            telemetry.traceparent.reset(before)
            span.end()

    def _context(self, parent: str | None, state: str | None) -> Context:
        from opentelemetry.context import Context

        if parent is None:
            return Context()
        carrier = {"traceparent": parent} | ({"tracestate": state} if state else {})
        return self._propagator.extract(carrier, Context())

    def close(self) -> None:
        """Sends what is left, for a few seconds at most, and ends the threads."""
        ends = [
            Thread(target=provider.shutdown, name="otel-end", daemon=True)
            for provider in (self._traces, self._metrics)
        ]
        for end in ends:
            end.start()
        until = time.monotonic() + PATIENCE_S
        for end in ends:
            end.join(max(0.0, until - time.monotonic()))
        if any(end.is_alive() for end in ends):  # the collector is away: the exporters would go on trying
            for exporter in self._exporters:
                exporter.shutdown()
            for end in ends:
                end.join(1)


def _about(environ: Mapping[str, str]) -> dict[str, str]:
    """What is said of this process where the variables do not say it. Several workers are told apart by their ids: the
    counts of one must not be taken for those of another."""
    given = environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    about = {"service.version": __version__}
    if not environ.get("OTEL_SERVICE_NAME") and "service.name=" not in given:
        about["service.name"] = "backendhub"
    if "service.instance.id=" not in given:
        about["service.instance.id"] = str(uuid4())
    return about


def _check_protocol(environ: Mapping[str, str]) -> None:
    for what in ("TRACES_", "METRICS_", ""):
        name = f"OTEL_EXPORTER_OTLP_{what}PROTOCOL"
        if environ.get(name, "http/protobuf") not in ("http/protobuf", ""):
            raise Invalid(f"{name} is {environ[name]!r}.", hint="http/protobuf is what is spoken here")


def _traceparent(span: Span) -> str:
    context = span.get_span_context()
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}"


def _in(span: Span | None) -> Context:
    from opentelemetry.context import Context
    from opentelemetry.trace import set_span_in_context

    return Context() if span is None else set_span_in_context(span, Context())


def _address(host: str, scheme: str) -> tuple[str, int]:
    """Name and port of a Host header."""
    name, colon, port = host.rpartition(":") if not host.endswith("]") else (host, "", "")
    if not colon:
        name = host
    default = 443 if scheme == "https" else 80
    return name.strip("[]"), int(port) if colon and port.isascii() and port.isdigit() and len(
        port
    ) < 6 else default
