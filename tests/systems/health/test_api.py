"""Checks, probes, incidents."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import Any

import pytest

from backendhub.kit import hub as hubs
from backendhub.kit.errors import Invalid
from backendhub.systems.health import service
from backendhub.systems.health.models import Check


def until(ask: Callable[[], Any], what: Callable[[Any], bool]) -> Any:
    for _ in range(200):
        if what(found := ask()):
            return found
        time.sleep(0.02)
    raise AssertionError(found)


def serve(hub: hubs.Hub, client: Callable[..., Any], checks: str) -> Any:
    hub.settings.flags["health.checks"] = checks
    return client("health")


def test_everything_passes(hub: hubs.Hub, client: Callable[..., Any]) -> None:
    http = serve(hub, client, "db disk:/")
    response = until(lambda: http.get("/health"), lambda r: "not checked yet" not in r.text)
    assert response.headers["content-type"] == "application/health+json"
    body = response.json()
    assert set(body["checks"]) == {"db:responseTime", "disk:utilization"}
    assert body["checks"]["db:responseTime"][0]["status"] == "pass"
    assert body["releaseId"]
    for probe in ("/livez", "/readyz", "/startupz"):
        assert http.get(probe).status_code == 200


def test_a_failing_check_is_503_and_an_incident(hub: hubs.Hub, client: Callable[..., Any]) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    http = serve(hub, client, f"db gone=tcp://127.0.0.1:{port}")
    response = until(lambda: http.get("/health"), lambda r: r.status_code == 503)
    entry = response.json()["checks"]["gone:responseTime"][0]
    assert entry["status"] == "fail" and entry["output"]
    assert http.get("/readyz").status_code == 503 and http.get("/livez").status_code == 200
    assert http.get("/health/gone").status_code == 503 and http.get("/health/db").status_code == 200
    (incident,) = until(lambda: http.get("/history?check=gone").json(), bool)
    assert (incident["name"], incident["status"]) == ("gone", "fail")


def test_a_slow_check_holds_up_no_other(hub: hubs.Hub, client: Callable[..., Any]) -> None:
    with socket.socket() as silent:  # accepts and never answers
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        http = serve(hub, client, f"db slow=http://127.0.0.1:{silent.getsockname()[1]}/")
        body = until(
            lambda: http.get("/health").json(), lambda b: "observedValue" in b["checks"]["db:responseTime"][0]
        )
        assert body["checks"]["slow:responseTime"][0]["output"] == "not checked yet"
        assert http.get("/startupz").status_code == 503


def test_maintenance_takes_it_out_of_rotation(hub: hubs.Hub, client: Callable[..., Any]) -> None:
    http = serve(hub, client, "db")
    until(lambda: http.get("/startupz"), lambda r: r.status_code == 200)
    assert http.put("/maintenance", json={"on": True, "reason": "moving"}).json() == {
        "on": True,
        "reason": "moving",
    }
    assert http.get("/readyz").status_code == 503
    assert http.get("/health").json()["notes"] == ["maintenance: moving"]
    http.put("/maintenance", json={"on": False})
    assert http.get("/readyz").status_code == 200


def test_draining_beats_everything(hub: hubs.Hub, client: Callable[..., Any]) -> None:
    http = serve(hub, client, "db")
    hub.ready = False
    assert (http.get("/readyz").status_code, http.get("/readyz").text) == (503, "draining\n")


def test_an_unknown_check_is_404(hub: hubs.Hub, client: Callable[..., Any]) -> None:
    assert serve(hub, client, "db").get("/health/nothing").status_code == 404


def test_checks_as_typed() -> None:
    found = service.parse("db api=https://example.org/x?y=1 tcp://[::1]:80 disk")
    assert found == [
        Check("db", "db", ""),
        Check("api", "http", "https://example.org/x?y=1"),
        Check("tcp-1-80", "tcp", "[::1]:80"),
        Check("disk", "disk", "/"),
    ]


@pytest.mark.parametrize("text", ["ftp://x", "tcp://host", "db db", "http://", "a=b"])
def test_bad_checks_are_refused(text: str) -> None:
    with pytest.raises(Invalid):
        service.parse(text)


def test_the_status_is_a_metric(hub: hubs.Hub, client: Callable[..., Any]) -> None:
    http = serve(hub, client, "db")
    until(lambda: http.get("/startupz"), lambda r: r.status_code == 200)
    assert 'health_check_status{check="db"} 0' in http.get("/metrics").text


def test_a_url_is_asked_wherever_it_is_and_followed_only_to_public_hosts(
    hub: hubs.Hub, client: Callable[..., Any]
) -> None:
    from http.server import BaseHTTPRequestHandler, HTTPServer
    from threading import Thread

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/ok" else 302)
            self.send_header("Location", f"http://127.0.0.2:{server.server_port}/ok")
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    base = f"http://127.0.0.1:{server.server_port}"
    http = serve(hub, client, f"good={base}/ok away={base}/away")
    body = until(lambda: http.get("/health").json(), lambda b: "not checked yet" not in str(b))
    assert body["checks"]["good:responseTime"][0]["status"] == "pass"
    assert "no public address" in body["checks"]["away:responseTime"][0]["output"]
    server.shutdown()
    server.server_close()
