"""Background work beside the requests of a server, as its users start it."""

from __future__ import annotations

import json
import time
import warnings
from pathlib import Path
from typing import Any

from backendhub import registry
from backendhub.app import jobs as commands
from backendhub.app import serve as serving
from backendhub.kit import clock, jobs
from backendhub.kit.db import connect


def test_only_systems_with_background_work_get_a_worker() -> None:
    plain = registry.System("todo", "foundations", "x", "api")
    busy = registry.System("todo", "foundations", "x", "api jobs")
    assert not serving.needs_jobs([plain])
    assert serving.needs_jobs([plain, busy])


def test_serve_runs_jobs_beside_the_requests(hub: Any, tmp_path: Path) -> None:
    """An application with the worker in its background: a job put in from outside runs, and requests go on."""
    from backendhub.kit import web

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it would rather have httpx2
        from starlette.testclient import TestClient
    row = registry.find("todo")
    application: Any = web.build_app([row], hub, single=True, log_format="none", background=[commands.beside])
    hub.use("jobs")
    other = connect(str(tmp_path / "hub.db"))
    other.use("jobs")
    with TestClient(application) as http:
        id = other.unit(jobs.enqueue, "nobody.knows")
        deadline = time.monotonic() + 10
        while (job := other.read(jobs.get, id)).state != "scheduled":
            assert time.monotonic() < deadline
            assert http.get("/").status_code == 200
        assert job.attempts == 1
        assert job.due_at > clock.now()
        assert json.loads(http.get("/").text) == []
    other.close()
