"""What is asked of a running cache beside serving: counts, objects, explanations, purges, a check of itself."""

from __future__ import annotations

import zlib
from datetime import UTC, datetime
from itertools import islice

from backendhub.kit import clock
from backendhub.kit.errors import Invalid

from . import rules
from .disk import Damaged
from .entry import Entry
from .models import Check, Counts, Explanation, Purged, StoredObject
from .proxy import Proxy
from .rules import Asked, Kind

DECISIONS = {
    Kind.HIT: "hit",
    Kind.STALE: "stale",
    Kind.REFRESH: "stale, refreshed",
    Kind.VALIDATE: "validate",
}
CHECKED = 200
"""Files that a check reads whole."""


def counts(proxy: Proxy) -> Counts:
    """The counters of a process."""
    stats, shelf = proxy.stats, proxy.shelf
    return Counts(
        origin=proxy.config.url,
        hits=stats.hits,
        misses=stats.misses,
        ratio=round(stats.ratio, 4),
        stale=stats.stale,
        validated=stats.validated,
        passed=stats.passed,
        collapsed=stats.collapsed,
        fetches=stats.fetches,
        stored=stats.stored,
        purged=stats.purged,
        evicted=shelf.evicted,
        errors=stats.errors,
        truncated=stats.truncated,
        damaged=stats.damaged,
        disk_errors=stats.disk_errors,
        objects=len(shelf),
        memory_bytes=shelf.memory,
        disk_bytes=shelf.on_disk,
        bytes_in=stats.bytes_in,
        bytes_out=stats.bytes_out,
        in_flight=len(proxy.flights.running),
    )


def shown(entry: Entry, now: float) -> StoredObject:
    """A stored response as people see it."""
    where = [name for name, there in (("memory", entry.body is not None), ("disk", entry.file)) if there]
    return StoredObject(
        target=entry.target,
        status=entry.status,
        size=entry.size,
        age=int(now - entry.fresh.born),
        ttl=int(entry.fresh.until - now) if entry.fresh.until else 0,
        freshness=entry.fresh.source,
        stored_at=datetime.fromtimestamp(entry.stored, UTC).replace(microsecond=0),
        hits=entry.hits,
        where=" and ".join(where),
        vary=dict(zip(entry.names, entry.variant, strict=True)),
        tags=sorted(entry.tags),
    )


def find(proxy: Proxy, *, prefix: str, tag: str | None, limit: int) -> list[StoredObject]:
    """Stored responses whose path begins so, the most used first."""
    entries = proxy.shelf.tagged([tag]) if tag else proxy.shelf
    found = [e for e in entries if e.target.startswith(prefix)]
    found.sort(key=lambda e: (-e.hits, e.target))
    now = clock.steady()
    return [shown(entry, now) for entry in islice(found, limit)]


def explain(proxy: Proxy, *, target: str, fields: dict[str, str]) -> Explanation:
    """What would become of a GET now. Raises Invalid for what is no path."""
    if not target.startswith("/") or not target.isascii() or any(c in target for c in " \r\n"):
        raise Invalid("A target is a path with its query, such as /products?limit=10.")
    request = {name.lower().encode(): text.encode("latin-1", "replace") for name, text in fields.items()}
    asked, now = Asked.of(b"GET", request), clock.steady()
    key = target.encode()
    if proxy.config.preserve_host:
        key = request.get(b"host", b"").lower() + b" " + key
    entry = proxy.shelf.find(key, request)
    if entry is None:
        variants = len(proxy.shelf.index.get(key, ()))
        why = f"{variants} stored, for requests with other fields" if variants else "nothing is stored"
        return Explanation(target, "miss", why, None)
    decision = rules.decide(asked, entry.fresh, now)
    return Explanation(target, DECISIONS[decision.kind], decision.why, shown(entry, now))


def purge(
    proxy: Proxy,
    *,
    targets: list[str],
    tags: list[str],
    pattern: str | None,
    everything: bool,
    soft: bool,
    host: str = "",
) -> Purged:
    """Purges what any of these name; nothing where nothing is named. Raises Invalid for a pattern that is too long."""
    if everything:
        return Purged(proxy.purging.everything(soft=soft))
    prefix = host.lower().encode() + b" " if proxy.config.preserve_host else b""
    count = proxy.purging.keys(
        [prefix + target.encode("latin-1", "replace") for target in targets], soft=soft
    )
    count += proxy.purging.tags(tags, soft=soft)
    if pattern:
        count += proxy.purging.pattern(pattern, soft=soft)
    return Purged(count)


def check(proxy: Proxy) -> Check:
    """Adds everything up, and reads files: nothing may be stored that must not be, nothing torn."""
    found = proxy.shelf.problems()
    disk = proxy.shelf.disk
    for number, entry in enumerate(proxy.shelf):
        told = rules.effective(entry.fields)[0]
        if "private" in told and not told["private"]:
            found.append(f"{entry.target} is private")
        if "no-store" in told and "must-understand" not in told:
            found.append(f"{entry.target} says no-store")
        if entry.names == ("*",):
            found.append(f"{entry.target} varies by everything")
        if entry.body is not None and entry.crcs and zlib.crc32(entry.body[: 256 * 1024]) != entry.crcs[0]:
            found.append(f"{entry.target} has changed in memory")
        if disk is not None and entry.file is not None and number < CHECKED:
            try:
                disk.read(entry)
            except Damaged:
                found.append(f"{entry.target} is damaged on disk")
    return Check(not found, found, len(proxy.shelf))
