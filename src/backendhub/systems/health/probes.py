"""How each kind of check is made. Every one has its own time limit, so that a slow one holds up no other."""

from __future__ import annotations

import asyncio
import shutil
import time

from backendhub.kit import clock
from backendhub.kit.db import Db
from backendhub.kit.errors import HubError
from backendhub.kit.hub import Hub

from .models import Check, Result, Status

TIMEOUT = 3.0
INTERVAL = 10.0
SLOW_MS = 1000.0
DISK_WARN, DISK_FAIL = 85.0, 95.0  # percent used


async def run(check: Check, hub: Hub) -> Result:
    """Makes one check; never raises."""
    if check.kind == "disk":
        return await asyncio.to_thread(_disk, check.target)
    start = time.perf_counter()
    output: str | None = None
    try:
        async with asyncio.timeout(TIMEOUT):
            await {"http": _http, "tcp": _tcp, "db": _db}[check.kind](check.target, hub)
    except TimeoutError:
        output = f"no answer within {TIMEOUT:g} s"
    except (OSError, HubError) as error:
        output = str(error) or type(error).__name__
    except Exception as error:  # whatever a check runs into is a failed check, not a failed checker
        output = f"{type(error).__name__}: {error}"
    spent = round((time.perf_counter() - start) * 1000, 1)
    slow = output is None and spent > SLOW_MS
    status = Status.FAIL if output else Status.WARN if slow else Status.PASS
    return Result(status, spent, "ms", output or ("slow" if slow else None), clock.precise())


def _disk(path: str) -> Result:
    try:
        usage = shutil.disk_usage(path)
    except OSError as error:
        return Result(Status.FAIL, 0, "percent", f"{path}: {error.strerror}", clock.precise())
    used = round(100 * (1 - usage.free / usage.total), 1)
    status = Status.FAIL if used >= DISK_FAIL else Status.WARN if used >= DISK_WARN else Status.PASS
    output = None if status is Status.PASS else f"{usage.free // 2**20:,} MiB left"
    return Result(status, used, "percent", output, clock.precise())


async def _tcp(target: str, hub: Hub) -> None:
    host, _, port = target.rpartition(":")
    _, writer = await asyncio.open_connection(host.strip("[]"), int(port))
    writer.close()
    await writer.wait_closed()


async def _http(target: str, hub: Hub) -> None:
    """The operator wrote this address, so its host may be anywhere; a host that it redirects to may not."""
    answer = await hub.fetch.asend("GET", target, read=False, trusted=True)
    if answer.status >= 400:
        raise OSError(f"answered {answer.status}")


async def _db(target: str, hub: Hub) -> None:
    def ask(db: Db) -> None:
        db.value("SELECT 1")

    await asyncio.to_thread(hub.store.read, ask)
