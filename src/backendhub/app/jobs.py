"""`backendhub jobs`: look at background work, run it, try it again, call it off."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from typer import Argument, Option

from backendhub import registry
from backendhub.kit import cli, clock, hub, jobs
from backendhub.kit.errors import Invalid, MissingExtra

if TYPE_CHECKING:
    from backendhub.kit.jobs.worker import Worker

app = cli.commands(
    "jobs",
    "Background work. `serve` runs it beside the APIs; `jobs run` runs it in a process of its own.",
    examples=(
        "backendhub jobs run",
        "backendhub jobs list --state scheduled",
        "backendhub jobs retry --dead",
    ),
)
COMMANDS = {"jobs": app}

PARTS = {
    "bus": "backendhub.kit.bus.jobs",
    "files": "backendhub.kit.files.jobs",
    "mail": "backendhub.kit.mail.jobs",
    "outbox": "backendhub.kit.outbox.jobs",
}
"""The parts of the kit that have jobs, and where their handlers are."""


class Row(NamedTuple):
    """A job as a list shows it."""

    id: int
    name: str
    state: str
    queue: str
    attempts: int
    due: datetime | None
    progress: str
    error: str


Ids = Annotated[list[str] | None, Argument(help="Ids: 3, 1,3-5, or - for stdin.", metavar="ID...")]
BusUrl = Annotated[
    str | None,
    Option(help="Bus for events: redis://, amqp:// or nats://; the store unless named.", metavar="URL"),
]
COLUMNS = Row._fields


def worker(
    current: hub.Hub,
    *,
    queues: list[str] | None = None,
    concurrency: int | None = None,
    once: bool = False,
) -> Worker:
    """The worker of this process: the jobs of every system and of the kit's parts."""
    from backendhub.kit.jobs.declared import Modules
    from backendhub.kit.jobs.worker import Worker
    from backendhub.kit.outbox.relay import Relay

    systems = {s.name: f"{s.package}.jobs" for s in registry.SYSTEMS if s.has("jobs")}
    lease = current.settings.number("jobs.lease")
    if lease < 1:
        raise Invalid(f"The setting jobs.lease is {lease:g}.", hint="give at least one second")
    return Worker(
        current,
        Modules(systems | PARTS, current.use),
        sources=[Relay()],
        queues=queues or (),
        concurrency=concurrency or int(current.settings.number("jobs.concurrency")) or 1,
        lease=lease,
        once=once,
    )


async def work(made: Worker) -> None:
    """Runs a worker, and beside it what sends and reads events where there is a bus."""
    bus = made.hub.bus
    if bus is None:
        await made.run()
        return
    from backendhub.kit.bus.exchange import Exchange

    await Exchange(made.hub, bus).beside(made.run(), once=made.once)


async def beside(current: hub.Hub) -> None:
    """Runs a worker beside what a process serves."""
    await work(worker(current))


def reach(current: hub.Hub) -> None:
    """Raises BusLost for a bus that does not answer: at the start it is more likely a wrong address than a pause."""
    if (bus := current.bus) is None:
        return
    import asyncio

    async def ask() -> None:
        try:
            await bus.check()
        finally:
            await bus.close()

    asyncio.run(ask())


def traced(current: hub.Hub) -> None:
    """Switches traces and metrics of OpenTelemetry on where the standard variables ask for them. Without the extra a
    warning is all: such variables may be there for all programs of a machine."""
    from backendhub.kit import telemetry

    if not telemetry.wanted():
        return
    from backendhub.kit.tracing import Tracing

    try:
        current.tracing = Tracing()
    except MissingExtra as error:
        current.output.warn(f"{error.message} ({error.hint})")
        return
    store = current.store
    current.tracing.watch_jobs(lambda: store.read(jobs.depths) if "jobs" in store.systems else ())


def _store() -> hub.Hub:
    current = hub.current()
    current.use("jobs")
    return current


def _row(job: jobs.Job) -> Row:
    due = job.due_at if job.state in ("scheduled", "ready") else None
    done = "" if job.progress is None or job.state == "done" else f"{job.progress:.0%}"
    last = (job.error or "").strip().rsplit("\n", 1)[-1]
    note = job.note or ""
    return Row(job.id, job.name, job.state, job.queue, job.attempts, due, f"{done} {note}".strip(), last)


@app.command("list", default=True, undoable=False, columns=COLUMNS, empty="There are no jobs.")
def list_(
    state: Annotated[
        str | None, Option(help="Only in this state: scheduled, ready, running, done, dead or cancelled.")
    ] = None,
    name: Annotated[str | None, Option(help="Only of this name: <system>.<what>.")] = None,
    before: Annotated[int | None, Option(help="Only older than the job with this id.", metavar="ID")] = None,
    limit: Annotated[int, Option(min=1, max=1000, help="How many.")] = 50,
) -> list[Row]:
    """List jobs, the newest first."""
    before_ = {"before": before} if before is not None else {}
    return [_row(job) for job in _store().read(jobs.find, state=state, name=name, limit=limit, **before_)]


@app.command("dead", undoable=False, columns=COLUMNS, empty="No job is dead.")
def dead(limit: Annotated[int, Option(min=1, max=1000, help="How many.")] = 50) -> list[Row]:
    """List the jobs that have used up their attempts."""
    return [_row(job) for job in _store().read(jobs.find, state="dead", limit=limit)]


@app.command("show", undoable=False)
def show(id: Annotated[int, Argument(help="Its id.", metavar="ID")]) -> jobs.Job:
    """Show all of one job: payload, times, progress, result, the last error in full."""
    return _store().read(jobs.get, id)


@app.command(
    "retry",
    undoable=False,
    columns=COLUMNS,
    examples=("backendhub jobs retry 17", "backendhub jobs retry --dead"),
)
def retry(
    ids: Ids = None, dead: Annotated[bool, Option("--dead", help="Every dead one.")] = False
) -> list[Row]:
    """Run jobs again that are dead, cancelled or wait for their next attempt."""
    if bool(ids) == dead:
        raise cli.Usage("Name jobs, or say --dead.", hint="backendhub jobs dead")
    current = _store()
    numbers = current.unit(jobs.retry_dead) if dead else cli.ids(ids or ())
    if dead:
        return [_row(current.read(jobs.get, id)) for id in numbers]
    return [_row(current.unit(jobs.retry, id)) for id in numbers]


@app.command("cancel", undoable=False, columns=COLUMNS)
def cancel(ids: Ids = None) -> list[Row]:
    """Call jobs off; one that is running is asked to stop."""
    if not ids:
        raise cli.Usage("Name jobs.", hint="backendhub jobs list")
    return [_row(_store().unit(jobs.cancel, id)) for id in cli.ids(ids)]


@app.command("remove", undoable=False, says="Removed {}.")
def remove(ids: Ids = None) -> int:
    """Forget jobs that are over. They are forgotten by themselves: done ones after a day, dead ones after thirty."""
    if not ids:
        raise cli.Usage("Name jobs.", hint="backendhub jobs list")
    return _store().unit(jobs.remove, cli.ids(ids))


@app.command(
    "add",
    undoable=False,
    says="Job {0.id} is {0.state}.",
    examples=(
        "backendhub jobs add blog.publish post_id=7",
        "backendhub jobs add task.digest --at 2026-05-01T09:00Z",
    ),
)
def add(
    name: Annotated[str, Argument(help="Its name: <system>.<what>.")],
    payload: Annotated[
        list[str] | None,
        Argument(help="What its handler is given; the value is JSON or a word.", metavar="KEY=VALUE..."),
    ] = None,
    at: Annotated[str | None, Option(help="When: an ISO 8601 time.", metavar="TIME")] = None,
    unique: Annotated[
        str | None, Option(help="One job of this name waits under this key.", metavar="KEY")
    ] = None,
    queue: Annotated[str, Option(help="Its queue.")] = "default",
    priority: Annotated[int, Option(help="Higher goes first.")] = 0,
) -> jobs.Job:
    """Put a job in by hand."""
    given = dict(_pair(word) for word in payload or ())
    current = _store()
    id = current.unit(
        jobs.enqueue, name, at=_time(at), unique=unique, queue=queue, priority=priority, **given
    )
    return current.read(jobs.get, id)


def _pair(word: str) -> tuple[str, Any]:
    key, equals, text = word.partition("=")
    if not equals or not key.isidentifier():
        raise cli.Usage(f"{word!r} is no KEY=VALUE.", hint="post_id=7")
    try:
        return key, json.loads(text)
    except ValueError:
        return key, text


def _time(text: str | None) -> datetime | None:
    try:
        return None if text is None else clock.parse(text)
    except ValueError:
        raise Invalid(f"{text!r} is no time.", hint="2026-05-01T09:00Z") from None


@app.command(
    "schedules",
    undoable=False,
    columns=("name", "cron", "zone", "next_at", "last_at"),
    empty="Nothing is scheduled.",
)
def schedules() -> list[jobs.Schedule]:
    """List the cron entries that the code declares, as the store knows them since a worker last started."""
    return [entry for entry in _store().read(jobs.schedules) if entry.cron]


@app.command(
    "run",
    undoable=False,
    says="Ran {}.",
    examples=(
        "backendhub jobs run",
        "backendhub jobs run --queue mail --concurrency 4",
        "backendhub jobs run --once",
    ),
)
def run(
    queue: Annotated[list[str] | None, Option(help="Only this queue; may be given more than once.")] = None,
    concurrency: Annotated[
        int | None, Option(min=1, max=1000, help="Jobs of one queue at a time (setting jobs.concurrency).")
    ] = None,
    once: Annotated[bool, Option("--once", help="Stop when nothing is due, as cron wants it.")] = False,
    bus: BusUrl = None,
    log_format: Annotated[str, Option(help="text or json.")] = "text",
) -> int | None:
    """Run background work until Ctrl-C; what runs then has eight seconds to end, the rest is given back."""
    import asyncio
    import gc

    from backendhub.kit import telemetry

    if log_format not in ("text", "json"):
        raise Invalid(f"There is no log format {log_format!r}.", hint="choose from text, json")
    gc.enable()
    telemetry.logs(log_format)
    current = _store()
    current.settings.flags |= {"bus": bus} if bus is not None else {}
    traced(current)
    reach(current)
    made = worker(current, queues=queue, concurrency=concurrency, once=once)
    current.read(lambda db: db.value("SELECT 1"))  # a store that cannot be used ends here
    asyncio.run(_until_signalled(made))
    return made.done if once else None


async def _until_signalled(made: Worker) -> None:
    """Runs a worker until SIGINT or SIGTERM, which let it end well."""
    import asyncio
    import contextlib
    import signal

    task = asyncio.ensure_future(work(made))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):  # Windows: Ctrl-C cancels the task through asyncio.run
            loop.add_signal_handler(number, task.cancel)
    if not made.once:  # told when, and only when, a signal lets it end well
        made.hub.output.note("Running jobs. Ctrl-C stops it.")
        made.hub.output.stderr.flush()
    with contextlib.suppress(asyncio.CancelledError):
        await task
