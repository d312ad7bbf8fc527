"""The rules of health: parsing checks, judging results, remembering changes."""

from __future__ import annotations

import re

from backendhub import __version__
from backendhub.kit import clock, paging
from backendhub.kit.db import Db
from backendhub.kit.errors import Invalid, NotFound

from . import store
from .models import WORST, Check, Document, Incident, Maintenance, Result, Status

HINT = "write db, disk:/path, tcp://host:port or http(s)://…; NAME=… names it"


class Board:
    """The latest result of every check in this process."""

    def __init__(self, checks: list[Check]) -> None:
        self.checks = {check.name: check for check in checks}
        self.results: dict[str, Result] = {}
        self.maintenance = Maintenance(False, None)

    @property
    def started(self) -> bool:
        """Whether every check has run once."""
        return len(self.results) == len(self.checks)

    def status(self) -> Status:
        """The worst of them; a check that has not run yet is a warning."""
        found = [r.status for r in self.results.values()]
        if not self.started:
            found.append(Status.WARN)
        if self.maintenance.on:
            found.append(Status.FAIL)
        return max(found, key=WORST.index, default=Status.PASS)

    def put(self, name: str, result: Result) -> bool:
        """Keeps a result; says whether the status changed (a first pass is no change)."""
        before = self.results.get(name)
        self.results[name] = result
        return result.status is not (before.status if before else Status.PASS)

    def document(self, only: str | None = None) -> Document:
        """The `application/health+json` body. Raises NotFound for an unknown check."""
        if only is not None and only not in self.checks:
            raise NotFound(
                f"There is no check {only[:80]!r}.", hint="known: " + (", ".join(self.checks) or "none")
            )
        names = [only] if only is not None else list(self.checks)
        status = (
            self.results[only].status
            if only in self.results
            else self.status()
            if only is None
            else Status.WARN
        )
        body: Document = {
            "status": status.value,
            "version": __version__.split(".")[0],
            "releaseId": __version__,
        }
        if self.maintenance.on:
            body["notes"] = [
                "maintenance" + (f": {self.maintenance.reason}" if self.maintenance.reason else "")
            ]
        body["checks"] = {_key(self.checks[name]): [self._entry(self.checks[name])] for name in names}
        return body

    def _entry(self, check: Check) -> Document:
        kind = {"db": "datastore", "disk": "system"}.get(check.kind, "component")
        entry: Document = {"componentId": check.name, "componentType": kind}
        result = self.results.get(check.name)
        if result is None:
            return entry | {"status": "warn", "output": "not checked yet"}
        entry |= {"observedValue": result.value, "observedUnit": result.unit}
        entry |= {"status": result.status.value, "time": clock.iso(result.at.replace(microsecond=0))}
        return entry | ({"output": result.output} if result.output else {})


def _key(check: Check) -> str:
    return f"{check.name}:{'utilization' if check.kind == 'disk' else 'responseTime'}"


def parse(text: str) -> list[Check]:
    """Checks from words such as `db api=https://example.org/ disk:/`. Raises Invalid."""
    checks: dict[str, Check] = {}
    for word in text.split():
        named = re.fullmatch(r"(?:([\w.-]+)=)?(.+)", word)
        assert named is not None
        kind, target = _target(named[2])
        name = named[1] or _name(kind, target)
        if name in checks:
            raise Invalid(f"Two checks are called {name!r}.", hint="name one: NAME=" + word)
        checks[name] = Check(name, kind, target)
    return list(checks.values())


def _target(text: str) -> tuple[str, str]:
    if text == "db":
        return "db", ""
    if text == "disk" or text.startswith("disk:"):
        return "disk", text.partition(":")[2] or "/"
    if re.fullmatch(r"tcp://(\[[0-9a-fA-F:]+\]|[\w.-]+):\d{1,5}", text):
        return "tcp", text.removeprefix("tcp://")
    if re.fullmatch(r"https?://[^\s/]+.*", text):
        return "http", text
    raise Invalid(f"{text!r} is not a check.", hint=HINT)


def _name(kind: str, target: str) -> str:
    return re.sub(r"[^\w.]+", "-", f"{kind}-{target}" if target else kind).strip("-")


def record(db: Db, name: str, result: Result) -> Incident:
    """Remembers a change of status; the oldest are forgotten."""
    at = result.at
    incident = db.insert(
        Incident, "health_incident", name=name, status=result.status, output=result.output, at=at
    )
    if incident.id % 100 == 0:
        db.run(store.PRUNE, oldest=incident.id - store.KEEP)
    return incident


def history(
    db: Db, name: str | None = None, *, limit: int = 20, cursor: str | None = None
) -> paging.Page[Incident]:
    """Changes of status, the latest first."""
    by = paging.order("-id", store.SORTS)
    return paging.page(store.select(db, name, by, limit=limit + 1, cursor=cursor), limit, by)
