"""What a running process says of itself: access log, metrics, request ids, W3C trace context."""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import time
import traceback
from bisect import bisect_left
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING

from backendhub.kit import clock

if TYPE_CHECKING:
    from asyncio import TimerHandle
    from collections.abc import Iterable, Mapping
    from logging import LogRecord

    from backendhub.kit.figures import Family

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the duration histogram in seconds."""

traceparent: ContextVar[str | None] = ContextVar("traceparent", default=None)
"""The trace context of the request being served; the HTTP client sends it on."""

_prefix = os.urandom(6).hex()
_count = 0


def request_id(given: bytes | None) -> str:
    """The client's `X-Request-Id` where it is harmless in a log line, else a new one."""
    if given is not None and re.fullmatch(rb"[\w.:/+=@-]{1,128}", given):
        return given.decode()
    global _count
    _count += 1
    return f"{_prefix}-{_count:x}"


def trace(given: bytes | None) -> str | None:
    """A valid `traceparent` (W3C Trace Context, level 1) with a span id of our own, or None."""
    match = re.fullmatch(rb"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})", given or b"")
    if match is None or set(match[1]) == {48} or set(match[2]) == {48}:
        return None
    return f"00-{match[1].decode()}-{os.urandom(8).hex()}-{match[3].decode()}"


def masked(query: bytes) -> bytes:
    """A query as it may be logged: whoever reads a signature could use the address that it is of."""
    return re.sub(rb"(^|&)(signature=)[^&]*", rb"\1\2***", query) if b"signature=" in query else query


def wanted(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether the standard variables ask for OpenTelemetry."""
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    return exports(environ, "TRACES") or exports(environ, "METRICS")


def exports(environ: Mapping[str, str], what: str) -> bool:
    """Whether `TRACES` or `METRICS` are to be sent: an address is given, or the exporter is named."""
    exporter = environ.get(f"OTEL_{what}_EXPORTER", "").strip().lower()
    names = (f"OTEL_EXPORTER_OTLP_{what}_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
    return exporter == "otlp" or (not exporter and any(environ.get(name) for name in names))


class Metrics:
    """Request counts and durations, in the OpenMetrics text format."""

    def __init__(self) -> None:
        self.requests: dict[tuple[str, str, int], int] = {}
        self.durations: dict[tuple[str, str], list[float]] = {}
        self.in_flight = 0
        self.gauges: dict[str, dict[str, float]] = {}
        self.started = time.time()

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """Counts one request."""
        key = (method, route, status)
        self.requests[key] = self.requests.get(key, 0) + 1
        row = self.durations.get((method, route))
        if row is None:
            row = self.durations[(method, route)] = [0.0] * (len(BUCKETS) + 2)
        row[bisect_left(BUCKETS, seconds)] += 1
        row[-1] += seconds

    def move(self, name: str, route: str, by: int) -> None:
        """Moves a gauge of what is open, for instance streams."""
        gauge = self.gauges.setdefault(name, {})
        labels = f'route="{label(route)}"'
        gauge[labels] = gauge.get(labels, 0) + by

    def render(self, more: Iterable[Family] = ()) -> str:
        """The OpenMetrics exposition, with further families."""
        lines = ["# TYPE http_requests counter", "# HELP http_requests Requests answered."]
        for (method, route, status), hits in sorted(self.requests.items()):
            lines.append(
                f'http_requests_total{{method="{method}",route="{label(route)}",status="{status}"}} {hits}'
            )
        lines += [
            "# TYPE http_request_duration_seconds histogram",
            "# UNIT http_request_duration_seconds seconds",
            "# HELP http_request_duration_seconds Time from the request's head to the response's end (of a stream: to its head).",
        ]
        for (method, route), row in sorted(self.durations.items()):
            labels = f'method="{method}",route="{label(route)}"'
            total: float = 0
            for bound, count in zip((*map(str, BUCKETS), "+Inf"), row, strict=False):
                total += count
                lines.append(f'http_request_duration_seconds_bucket{{{labels},le="{bound}"}} {total:g}')
            lines.append(f"http_request_duration_seconds_count{{{labels}}} {total:g}")
            lines.append(f"http_request_duration_seconds_sum{{{labels}}} {row[-1]:.6f}")
        lines += [
            "# TYPE http_requests_in_flight gauge",
            f"http_requests_in_flight {self.in_flight}",
        ]
        for name, rows in self.gauges.items():
            lines.append(f"# TYPE {name} gauge")
            lines += [f"{name}{{{labels}}} {value:g}" for labels, value in rows.items()]
        for family in more:
            lines.append(f"# TYPE {family.name} {family.kind}")
            lines += [f"# UNIT {family.name} {family.unit}"] if family.unit else []
            lines.append(f"# HELP {family.name} {family.help}")
            name = family.name + ("_total" if family.kind == "counter" else "")
            for labels, value in family.samples.items():
                lines.append(f"{name}{{{labels}}} {_number(value)}" if labels else f"{name} {_number(value)}")
        lines += [
            "# TYPE process_start_time_seconds gauge",
            "# UNIT process_start_time_seconds seconds",
            f"process_start_time_seconds {self.started:.3f}",
            "# EOF",
        ]
        return "\n".join(lines) + "\n"


def _number(value: float) -> str:
    return f"{value:.0f}" if value == int(value) else f"{value:.6f}"


def label(text: str) -> str:
    """A label's value as it may stand between quotes."""
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


class JsonLines(logging.Formatter):
    """Log records as JSON, one a line, with the trace that they belong to."""

    def format(self, record: LogRecord) -> str:
        """One line."""
        at = (
            datetime.fromtimestamp(record.created, UTC)
            .isoformat(timespec="milliseconds")
            .replace("+00:00", "Z")
        )
        row = {
            "time": at,
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if (trace := traceparent.get()) is not None:
            row |= {"traceId": trace[3:35], "spanId": trace[36:52]}
        if record.exc_info:
            row["error"] = self.formatException(record.exc_info)
        return json.dumps(row, separators=(",", ":"))


def logs(format: str) -> None:
    """Sends log records to stderr, as lines of text or of JSON: what the kit notes, and warnings of everybody else."""
    handler = logging.StreamHandler()
    handler.setFormatter(
        JsonLines() if format == "json" else logging.Formatter("%(asctime)s %(name)s: %(message)s")
    )
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    logging.getLogger("backendhub").setLevel(logging.INFO)


def crashed(what: str, error: BaseException) -> None:
    """Writes down what nobody expected, with all its details."""
    if any(isinstance(handler.formatter, JsonLines) for handler in logging.getLogger().handlers):
        logging.getLogger("backendhub").error(what, exc_info=error)
    else:
        traceback.print_exception(error, file=sys.stderr)


class AccessLog:
    """One line a request. Lines are gathered and written together, at most a tenth of a second late."""

    DELAY = 0.1

    def __init__(self, format: str = "text", stream: IO[str] | None = None) -> None:
        self.format = format
        self.stream = stream or sys.stderr
        self._lines: list[str] = []
        self._timer: TimerHandle | None = None

    def add(
        self,
        method: str,
        target: str,
        status: int,
        seconds: float,
        size: int,
        id: str,
        client: str,
        trace: str | None,
    ) -> None:
        """Notes a request; `target` is as sent, so everything that is not printable ASCII is escaped."""
        if self.format == "none":
            return
        at = clock.precise().isoformat(timespec="milliseconds").replace("+00:00", "Z")
        if self.format == "json":
            row = {
                "time": at,
                "method": method,
                "target": target,
                "status": status,
                "ms": round(seconds * 1000, 3),
            }
            row |= {"bytes": size, "client": client, "requestId": id}
            if trace:
                row |= {"traceId": trace[3:35], "spanId": trace[36:52]}
            line = json.dumps(row, separators=(",", ":"))
        else:
            safe = target if target.isascii() and target.isprintable() else ascii(target)[1:-1]
            line = f"{at} {client} {method} {safe} {status} {size}B {seconds * 1000:.1f}ms {id}"
        self._lines.append(line)
        if self._timer is None:
            from asyncio import get_running_loop

            self._timer = get_running_loop().call_later(self.DELAY, self.flush)

    def flush(self) -> None:
        """Writes what has been gathered."""
        self._timer = None
        if self._lines:
            text = "\n".join(self._lines) + "\n"
            self._lines.clear()
            try:
                self.stream.write(text)
                self.stream.flush()
            except (BrokenPipeError, ValueError):
                self.format = "none"  # nobody reads the log any more; serving goes on
