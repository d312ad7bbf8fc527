"""Traces of requests and jobs, the figures of /metrics, log lines as JSON."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from backendhub.kit import figures, jobs, telemetry, web
from backendhub.kit import hub as hubs
from backendhub.kit.db import Db
from backendhub.kit.errors import StoreError

A, B = "a" * 32, "b" * 32


def parent(trace: str) -> str:
    """A header of that trace."""
    return f"00-{trace}-00f067aa0ba902b7-01"


def test_requests_of_one_commit_keep_their_own_traces(
    application: Callable[..., web.Application], hub: hubs.Hub
) -> None:
    """Both units run in one transaction; the job each puts in carries the trace of its own request or none."""
    seen: dict[str, str | None] = {}
    groups: list[int] = []
    router = web.Router("Things")

    @router.post("/things/{name}")
    def make(db: Db, name: str) -> dict[str, str]:
        """Notes in which trace it runs."""
        seen[name] = telemetry.traceparent.get()
        return {}

    app = application(router)
    group = hub.store.group
    hub.store.group = lambda units: groups.append(len(units)) or group(units)  # type: ignore[func-returns-value,method-assign]

    async def ask(name: str, header: str | None) -> int:
        scope = {
            "type": "http",
            "method": "POST",
            "path": f"/things/{name}",
            "query_string": b"",
            "headers": [(b"traceparent", header.encode())] if header else [],
        }
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        await app(scope, receive, send)
        return int(sent[0]["status"])

    async def all_of() -> list[int]:
        await ask("warm", None)  # loads the system
        groups.clear()
        return await asyncio.gather(ask("first", parent(A)), ask("second", None), ask("third", parent(B)))

    assert set(asyncio.run(all_of())) <= {200, 201}
    assert groups == [3]
    assert (seen["first"] or "")[3:35] == A and (seen["third"] or "")[3:35] == B
    assert seen["second"] is None and seen["warm"] is None


def families(text: str) -> dict[str, Any]:
    """What a Prometheus reads."""
    return {f.name: f for f in text_string_to_metric_families(text)}


def test_metrics_tell_of_the_process_the_store_and_the_queues(
    mount: Callable[..., Any], engine_hub: hubs.Hub
) -> None:
    use = engine_hub.use
    client = mount(web.Router("Things"), on=engine_hub)
    assert "backendhub_jobs" not in families(client.get("/metrics").text)  # no queue, no figure
    use("jobs")
    engine_hub.store.unit(put)
    read = families(client.get("/metrics").text)
    assert read["process_cpu_seconds"].type == "counter" and read["process_cpu_seconds"].samples[0].value > 0
    if sys.platform == "linux":
        assert 1e7 < read["process_resident_memory_bytes"].samples[0].value < 1e10
        assert read["process_open_fds"].samples[0].value > 2
    size = read["backendhub_store_bytes"].samples[0].value
    assert size == int(size) > 4096
    depth = {(s.labels["queue"], s.labels["state"]): s.value for s in read["backendhub_jobs"].samples}
    assert depth == {('a"b', "ready"): 2, ("default", "dead"): 1}


def put(db: Db) -> None:
    """Two that wait in a queue with an odd name, and one that is dead."""
    first = jobs.enqueue(db, "thing.made")
    db.run("UPDATE jobs_job SET state = 'dead' WHERE id = :id", id=first)
    for _ in range(2):
        jobs.enqueue(db, "thing.made", queue='a"b')


def test_figures_of_a_store_that_cannot_be_asked_are_left_out() -> None:
    def read(fn: Any) -> Any:
        raise StoreError("The store is away.")

    assert figures.stored(SimpleNamespace(read=read, systems=["jobs"])) == []  # type: ignore[arg-type]


def test_log_records_as_json_carry_the_trace() -> None:
    record = logging.LogRecord("backendhub.jobs", logging.WARNING, "f", 1, "job %d\nfailed", (7,), None)
    line = telemetry.JsonLines()
    assert "traceId" not in json.loads(line.format(record))
    token = telemetry.traceparent.set(parent(A))
    try:
        raise ValueError("why")
    except ValueError:
        record.exc_info = sys.exc_info()
        text = line.format(record)
    finally:
        telemetry.traceparent.reset(token)
    row = json.loads(text)
    assert "\n" not in text
    assert (row["traceId"], row["spanId"]) == (A, "00f067aa0ba902b7")
    assert (row["level"], row["logger"], row["message"]) == ("warning", "backendhub.jobs", "job 7\nfailed")
    assert row["time"].endswith("Z") and "ValueError: why" in row["error"]


@pytest.mark.parametrize(
    ("environ", "asked"),
    [
        ({}, False),
        ({"OTEL_SERVICE_NAME": "x"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c"}, True),
        ({"OTEL_METRICS_EXPORTER": "otlp"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_SDK_DISABLED": "true"}, False),
        (
            {
                "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c",
                "OTEL_TRACES_EXPORTER": "none",
                "OTEL_METRICS_EXPORTER": "none",
            },
            False,
        ),
    ],
)
def test_the_standard_variables_ask_for_it(environ: dict[str, str], asked: bool) -> None:
    assert telemetry.wanted(environ) is asked
