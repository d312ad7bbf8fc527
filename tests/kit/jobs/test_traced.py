"""Spans of jobs: in the trace of the request that put them in, and what they tell of a failure."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from backendhub.kit import hub as hubs
from backendhub.kit import jobs, telemetry
from backendhub.kit.db import Db
from backendhub.kit.jobs import declared
from backendhub.kit.jobs.worker import Worker
from backendhub.kit.tracing import Tracing

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.fixture
def spans(hub: hubs.Hub, monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    """Where the spans of this hub go."""
    monkeypatch.setattr(declared, "_kinds", {})
    hub.use("jobs")
    hub.tracing = Tracing({})
    hub.tracing._traced = True  # as where an address is named; the spans stay here
    kept = InMemorySpanExporter()
    hub.tracing._traces.add_span_processor(SimpleSpanProcessor(kept))
    return kept


def run(hub: hubs.Hub, name: str) -> None:
    """Puts a job in as a request of a trace does, and runs it."""
    token = telemetry.traceparent.set(f"00-{TRACE}-{SPAN}-01")
    hub.store.unit(jobs.enqueue, name)
    telemetry.traceparent.reset(token)
    asyncio.run(asyncio.wait_for(Worker(hub, declared.Modules({}), once=True).run(), 20))


def test_a_job_goes_on_in_the_trace_of_its_request(hub: hubs.Hub, spans: InMemorySpanExporter) -> None:
    seen: list[str | None] = []

    @jobs.job("thing.made")
    def made(db: Db) -> None:
        seen.append(telemetry.traceparent.get())

    run(hub, "thing.made")
    (span,) = spans.get_finished_spans()
    assert (span.name, span.kind) == ("run thing.made", SpanKind.CONSUMER)
    assert span.context is not None and span.parent is not None
    assert (f"{span.context.trace_id:032x}", f"{span.parent.span_id:016x}") == (TRACE, SPAN)
    about: dict[str, Any] = dict(span.attributes or {})
    assert about["backendhub.job.name"] == "thing.made" and about["backendhub.job.attempt"] == 1
    assert seen == [f"00-{TRACE}-{span.context.span_id:016x}-01"]
    assert span.status.status_code is StatusCode.UNSET


def test_a_failure_is_told_and_a_wish_for_a_later_time_is_none(
    hub: hubs.Hub, spans: InMemorySpanExporter
) -> None:
    @jobs.job("thing.broken")
    def broken(db: Db) -> None:
        raise ValueError("why")

    @jobs.job("thing.later")
    def later(db: Db) -> None:
        raise jobs.Later(60)

    run(hub, "thing.broken")
    run(hub, "thing.later")
    failed, put_off = spans.get_finished_spans()
    assert failed.status.status_code is StatusCode.ERROR
    assert dict(failed.attributes or {})["error.type"] == "ValueError"
    assert [e.name for e in failed.events] == ["exception"]
    assert put_off.status.status_code is StatusCode.UNSET and not put_off.events
