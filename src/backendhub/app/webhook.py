"""`backendhub webhook`: who is told of events, what came of it, and sending again what was missed."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, NamedTuple

from typer import Argument, Option

from backendhub.kit import cli, clock, hub, outbox
from backendhub.kit.errors import Invalid
from backendhub.kit.outbox import endpoints

app = cli.commands(
    "webhook",
    "Webhooks: addresses that are told of events, signed as Standard Webhooks has it.",
    examples=(
        "backendhub webhook add https://example.org/hook --topic 'order.*'",
        "backendhub webhook log ID",
        "backendhub webhook replay ID --since 2026-05-01",
    ),
)
COMMANDS = {"webhook": app}
Id = Annotated[str, Argument(help="Its id.", metavar="ID")]
COLUMNS = ("id", "url", "topics", "enabled", "failing_since", "reason")


class Shown(NamedTuple):
    """An endpoint without its secret."""

    id: str
    url: str
    topics: str
    enabled: bool
    note: str
    created_at: datetime
    failing_since: datetime | None
    reason: str | None


class Made(NamedTuple):
    """An endpoint and its secret, told when it is made or changed."""

    id: str
    url: str
    topics: str
    secret: str


class Attempt(NamedTuple):
    """One attempt to deliver an event."""

    at: datetime
    event: int
    attempt: int
    ok: bool
    status: int | None
    ms: int
    error: str | None


def _store() -> hub.Hub:
    current = hub.current()
    current.use("outbox")
    return current


def _shown(found: outbox.Endpoint) -> Shown:
    topics = " ".join(found.topics)
    return Shown(
        found.id,
        found.url,
        topics,
        found.enabled,
        found.note,
        found.created_at,
        found.failing_since,
        found.reason,
    )


def _made(found: outbox.Endpoint) -> Made:
    return Made(found.id, found.url, " ".join(found.topics), found.secret)


@app.command(
    "add",
    undoable=False,
    says="Webhook {0.id} for {0.topics}.\nIts secret, for the other side: {0.secret}",
    examples=("backendhub webhook add https://example.org/hook --topic order.paid --topic 'user.*'",),
)
def add(
    url: Annotated[str, Argument(help="The address, which is sent a POST.")],
    topic: Annotated[list[str] | None, Option(help="order.paid, 'order.*' or '*'; may be repeated.")] = None,
    note: Annotated[str, Option(help="What it is for.")] = "",
    secret: Annotated[
        str | None, Option(help="whsec_… of 24 to 64 bytes; one is made where none is given.")
    ] = None,
) -> Made:
    """Register an address. Private ones are refused unless the setting fetch.allow names them."""
    current = _store()
    url = current.fetch.check(url)
    return _made(current.unit(endpoints.add, url=url, topics=topic or ["*"], note=note, secret=secret))


@app.command("list", default=True, undoable=False, columns=COLUMNS, empty="There are no webhooks.")
def list_() -> list[Shown]:
    """List the addresses that are told of events."""
    return [_shown(found) for found in _store().read(endpoints.find)]


@app.command("secret", undoable=False, says="{0.secret}")
def secret(id: Id) -> Made:
    """Show the secret of a webhook."""
    return _made(endpoints.opened(_store().read(endpoints.get, id)))


@app.command("rotate", undoable=False, says="{0.secret}")
def rotate(id: Id) -> Made:
    """Make a new secret; for a day messages are signed with the old one, too."""
    return _made(_store().unit(endpoints.rotate, id))


@app.command("enable", undoable=False, says="Webhook {0.id} is told of events again.")
def enable(id: Id) -> Shown:
    """Put a webhook to work again, for instance after it was disabled for failing."""
    return _shown(_store().unit(endpoints.enable, id))


@app.command("disable", undoable=False, says="Webhook {0.id} is told of nothing.")
def disable(id: Id, reason: Annotated[str, Option(help="Why.")] = "disabled by hand") -> Shown:
    """Stop telling a webhook; it and its log stay."""
    return _shown(_store().unit(endpoints.disable, id, reason))


@app.command("remove", undoable=False, says="Removed webhook {}.")
def remove(id: Id) -> str:
    """Forget a webhook and the log of its deliveries."""
    _store().unit(endpoints.remove, id)
    return id


@app.command("log", undoable=False, columns=Attempt._fields, empty="Nothing was sent yet.")
def log(id: Id, limit: Annotated[int, Option(min=1, max=1000, help="How many.")] = 50) -> list[Attempt]:
    """List the attempts to reach a webhook, the newest first; they are kept for thirty days."""
    found = _store().read(endpoints.deliveries, id, limit=limit)
    return [Attempt(d.at, d.event_id, d.attempt, d.ok, d.status, d.ms, d.error) for d in found]


@app.command(
    "events", undoable=False, columns=("id", "at", "topic", "key", "data"), empty="There are no events."
)
def events(
    topic: Annotated[str | None, Option(help="Only of this topic.")] = None,
    limit: Annotated[int, Option(min=1, max=1000, help="How many.")] = 50,
) -> list[outbox.Event]:
    """List events, the newest first; they are kept for thirty days."""
    return _store().read(outbox.find, topic=topic, limit=limit)


@app.command(
    "replay",
    undoable=False,
    says="{} will be sent.",
    examples=(
        "backendhub webhook replay ID --event 17",
        "backendhub webhook replay ID --since 2026-05-01T09:00Z",
    ),
)
def replay(
    id: Id,
    event: Annotated[
        int | None, Option(help="This event, whether or not it was delivered.", metavar="ID")
    ] = None,
    since: Annotated[
        str | None, Option(help="All that it has not got since a time (ISO 8601) or for so many hours: 24h.")
    ] = None,
) -> int:
    """Send events to a webhook again: one, or all that it has missed."""
    if (event is None) == (since is None):
        raise cli.Usage("Say --event or --since.", hint="backendhub webhook events")
    current = _store()
    if event is not None:
        current.unit(endpoints.replay, id, current.read(outbox.get, event))
        return 1
    return current.unit(endpoints.replay_missed, id, _since(since or ""))


def _since(text: str) -> datetime:
    hours = text[:-1]
    if text.endswith("h") and hours.isascii() and hours.isdigit() and len(hours) < 5:
        return clock.now() - timedelta(hours=int(hours))
    try:
        return clock.parse(text)
    except ValueError:
        raise Invalid(f"{text!r} is no time.", hint="2026-05-01T09:00Z or 24h") from None
