"""Collection by itself: every hour what nobody uses, every week also what no row knows."""

from __future__ import annotations

from typing import Any

from backendhub.kit import jobs


@jobs.job("files.collect", cron="17 * * * *", attempts=3)
def collect(run: jobs.Run) -> dict[str, Any]:
    """Deletes the bytes that nobody uses, and gives up uploads that nobody goes on with."""
    return run.hub.files.collect()._asdict()


@jobs.job("files.strays", cron="43 3 * * sun", attempts=3, timeout=6 * 3600)
def strays(run: jobs.Run) -> dict[str, Any]:
    """Lists the whole back-end for bytes that no row knows."""
    return run.hub.files.collect(strays=True)._asdict()
