"""Background work: jobs are rows, put in with the change that they belong to, run by `serve` or `backendhub jobs run`.

    jobs.enqueue(db, "blog.publish", at=post.publish_at, unique=post.id, post_id=post.id)   # in a service

    @jobs.job("blog.publish")                                                               # in systems/blog/jobs.py
    def publish(db: Db, post_id: int) -> None: ...

Importing this is cheap: workers, cron and threads are in modules of their own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .models import Cancelled, Depth, GiveUp, Job, Later, LeaseLost, Schedule
from .queue import cancel, depths, enqueue, enqueue_many, find, get, remove, retry, retry_dead, schedules

if TYPE_CHECKING:
    from .declared import job
    from .run import Run

__all__ = [
    "Cancelled",
    "Depth",
    "GiveUp",
    "Job",
    "Later",
    "LeaseLost",
    "Run",
    "Schedule",
    "cancel",
    "depths",
    "enqueue",
    "enqueue_many",
    "find",
    "get",
    "job",
    "remove",
    "retry",
    "retry_dead",
    "schedules",
]


def __getattr__(name: str) -> Any:
    """`job` and `Run` are for the modules that hold handlers, and imported for them alone."""
    if name == "job":
        from .declared import job

        return job
    if name == "Run":
        from .run import Run

        return Run
    raise AttributeError(name)
