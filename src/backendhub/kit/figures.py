"""What a process takes and what its store holds: memory, CPU, files, bytes, the depth of the queues."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import NamedTuple

from backendhub.kit import jobs, telemetry
from backendhub.kit.db import Db, Store
from backendhub.kit.errors import HubError

SIZE = {
    "sqlite": "SELECT (SELECT page_count FROM pragma_page_count) * (SELECT page_size FROM pragma_page_size)",
    "postgres": "SELECT CAST(pg_database_size(current_database()) AS bigint)",
}


class Family(NamedTuple):
    """Figures of one name, as OpenMetrics has them: its samples by their labels."""

    name: str
    kind: str
    unit: str
    help: str
    samples: dict[str, float]


def gathered(store: Store) -> list[Family]:
    """All of them."""
    return [*process(), *stored(store)]


def process() -> list[Family]:
    """Of this process, under the names that every Prometheus client uses."""
    found = [
        Family("process_cpu_seconds", "counter", "seconds", "Processor time used.", {"": time.process_time()})
    ]
    if (memory := resident_bytes()) is not None:
        found.append(
            Family("process_resident_memory_bytes", "gauge", "bytes", "Memory in use.", {"": memory})
        )
    try:
        files = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 (nothing but their number is wanted)
        found.append(Family("process_open_fds", "gauge", "", "Open files and sockets.", {"": files}))
    except OSError:
        pass
    return found


def resident_bytes() -> int | None:
    """Memory in use; None where the system does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")


def stored(store: Store) -> list[Family]:
    """Of the store: its size and, where there is a queue, how many jobs are in which state. What cannot be asked now is
    left out."""
    found = []
    try:
        size = {"": float(store.read(store_bytes))}
        found.append(Family("backendhub_store_bytes", "gauge", "bytes", "Size of the store.", size))
        if "jobs" in store.systems:
            counts = {
                f'queue="{telemetry.label(d.queue)}",state="{d.state}"': float(d.jobs)
                for d in store.read(jobs.depths)
            }
            found.append(
                Family(
                    "backendhub_jobs",
                    "gauge",
                    "",
                    "Jobs by queue and state; dead ones need somebody.",
                    counts,
                )
            )
    except HubError:
        pass
    return found


def store_bytes(db: Db) -> int:
    """Bytes of the whole store."""
    return int(db.value(SIZE[db.dialect]))
