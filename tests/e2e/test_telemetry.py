"""What a served process tells a collector of OpenTelemetry, a Prometheus and a reader of its logs."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"
ASKED = {"traceparent": f"00-{TRACE}-{PARENT}-01", "tracestate": "vendor=1", "user-agent": "probe/1"}


class Collector:
    """An OTLP receiver over HTTP: `spans` and `points` are what has come, each with its resource."""

    def __init__(self) -> None:
        self.spans: list[tuple[dict[str, Any], Any]] = []
        self.points: list[tuple[str, dict[str, Any], dict[str, Any], Any]] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            """Takes what the exporters post."""

            def do_POST(self) -> None:
                """One batch."""
                body = self.rfile.read(int(self.headers["content-length"]))
                assert self.headers["content-type"] == "application/x-protobuf"
                if self.headers.get("content-encoding") == "gzip":
                    body = gzip.decompress(body)
                collector.take(self.path, body)
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *args: Any) -> None:
                """Says nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02})
        self.thread.start()

    def take(self, path: str, body: bytes) -> None:
        """Decodes a batch."""
        if path == "/v1/traces":
            for batch in ExportTraceServiceRequest.FromString(body).resource_spans:
                about = plain(batch.resource.attributes)
                self.spans += [(about, span) for scope in batch.scope_spans for span in scope.spans]
        elif path == "/v1/metrics":
            for batch in ExportMetricsServiceRequest.FromString(body).resource_metrics:
                about = plain(batch.resource.attributes)
                for scope in batch.scope_metrics:
                    for metric in scope.metrics:
                        points = getattr(metric, metric.WhichOneof("data")).data_points
                        self.points += [(metric.name, about, plain(p.attributes), p) for p in points]

    def close(self) -> None:
        """Ends it."""
        self.server.shutdown()
        self.thread.join(5)
        self.server.server_close()


def plain(attributes: Any) -> dict[str, Any]:
    """Attributes as Python has them."""
    return {a.key: getattr(a.value, a.value.WhichOneof("value")) for a in attributes}


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    """A collector that every process of this test is told of."""
    made = Collector()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", made.url)
    yield made
    made.close()


def test_a_collector_gets_the_span_and_the_duration_of_every_request(
    serve: Callable[..., Any], collector: Collector
) -> None:
    server = serve("todo", "--log-format", "json")
    made = server.http.post("/", json={"title": "x"}, headers=ASKED).json()
    assert server.http.get(f"/{made['id']}").status_code == 200
    assert server.http.get("/nowhere/at/all?signature=abc&b=1").status_code == 404
    assert server.stop() == 0

    spans = {span.name: (about, span) for about, span in collector.spans}
    assert set(spans) == {"POST /", "GET /{id}", "GET"}
    about, post = spans["POST /"]
    assert about["service.name"] == "backendhub" and about["service.instance.id"]
    assert (post.kind, post.trace_id.hex(), post.parent_span_id.hex()) == (2, TRACE, PARENT)
    assert post.trace_state == "vendor=1" and 0 < post.end_time_unix_nano - post.start_time_unix_nano < 5e9
    told = plain(post.attributes)
    assert told["http.request.method"] == "POST" and told["http.response.status_code"] == 201
    assert told["http.route"] == "/" and told["server.port"] == server.port
    assert told["url.scheme"] == "http" and told["user_agent.original"] == "probe/1"
    read = spans["GET /{id}"][1]
    told = plain(read.attributes)
    assert (told["http.route"], told["http.response.status_code"]) == ("/{id}", 200)
    assert told["url.path"] == f"/{made['id']}" and "url.query" not in told
    assert not read.parent_span_id and read.trace_id.hex() != TRACE
    lost = plain(spans["GET"][1].attributes)
    assert "http.route" not in lost and lost["http.response.status_code"] == 404
    assert lost["url.query"] == "signature=***&b=1"

    measured = [
        (labels, p) for name, _, labels, p in collector.points if name == "http.server.request.duration"
    ]
    counts = {(at["http.request.method"], at.get("http.route")): p.count for at, p in measured}
    assert counts == {("POST", "/"): 1, ("GET", "/{id}"): 1, ("GET", None): 1}
    assert all(0 < p.sum < 5 and 0.005 in p.explicit_bounds for _, p in measured)
    active = [p.as_int for name, _, _, p in collector.points if name == "http.server.active_requests"]
    assert set(active) == {0}

    lines = [json.loads(line) for line in server.err if line.startswith("{")]
    row = next(line for line in lines if line.get("method") == "POST")
    assert (row["traceId"], row["spanId"]) == (TRACE, post.span_id.hex())


def test_a_caller_that_does_not_sample_is_heeded(serve: Callable[..., Any], collector: Collector) -> None:
    server = serve("todo")
    server.http.get("/", headers={"traceparent": f"00-{TRACE}-{PARENT}-00"})
    assert server.stop() == 0
    assert collector.spans == []
    assert [p.count for name, _, _, p in collector.points if name == "http.server.request.duration"] == [1]


def test_a_worker_sends_how_many_jobs_there_are(collector: Collector, process: Callable[..., Any]) -> None:
    assert process("jobs", "add", "nobody.knows", "--at", "2099-01-01T00:00Z").code == 0
    assert process("jobs", "run", "--once").code == 0
    told = {
        (at["queue"], at["state"]): p.as_int
        for name, _, at, p in collector.points
        if name == "backendhub.jobs"
    }
    assert told == {("default", "scheduled"): 1}


def test_a_collector_that_is_away_costs_a_warning_and_no_request(
    serve: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    server = serve("todo", "--log-format", "json")
    assert server.http.get("/").status_code == 200
    start = time.monotonic()
    assert server.stop() == 0
    assert time.monotonic() - start < 8
    assert all(json.loads(line) for line in server.err if line.startswith("{"))


def test_without_the_extra_it_is_one_clear_line(
    serve: Callable[..., Any], collector: Collector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    absent = tmp_path / "absent"
    absent.mkdir()
    (absent / "sitecustomize.py").write_text("import sys\nsys.modules['opentelemetry.sdk'] = None\n")
    monkeypatch.setenv("PYTHONPATH", str(absent))
    server = serve("task", "todo")
    assert server.http.get("/todo/").status_code == 200
    assert server.stop() == 0
    told = [line for line in server.err if "OpenTelemetry" in line]
    assert len(told) == 1 and "backendhub[otel]" in told[0], server.err
    assert not any("Traceback" in line for line in server.err) and not collector.spans


def test_who_does_not_ask_for_it_imports_none_of_it(
    serve: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPROFILEIMPORTTIME", "1")
    server = serve("todo")
    assert server.http.get("/", headers=ASKED).status_code == 200
    assert server.stop() == 0
    loaded = {line.rpartition("|")[2].strip() for line in server.err if line.startswith("import time:")}
    assert "backendhub.kit.web.application" in loaded
    assert not loaded & {"backendhub.kit.tracing", "backendhub.kit.web.traces", "backendhub.kit.figures"}
    heavy = (
        "opentelemetry.sdk",
        "opentelemetry.exporter",
        "opentelemetry.proto",
    )  # FastAPI brings the bare API
    assert not [name for name in loaded if name.startswith(heavy)]


def test_another_protocol_is_refused(command: list[str], collector: Collector) -> None:
    env = {**os.environ, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}
    done = subprocess.run(
        [*command, "serve", "todo", "--port", "0"], env=env, capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 2 and "http/protobuf" in done.stderr and "Traceback" not in done.stderr
