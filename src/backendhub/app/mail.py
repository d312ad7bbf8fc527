"""`backendhub mail`: the mail of this store, and whether the server takes it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, NamedTuple

from typer import Argument, Option

from backendhub.kit import cli, hub, mail
from backendhub.kit.mail.read import Opened, opened

app = cli.commands(
    "mail",
    "Mail that was sent from here, or is kept because there is no server (setting mail.url).",
    examples=("backendhub mail list", "backendhub mail show ID", "backendhub mail test you@example.org"),
)
COMMANDS = {"mail": app}


class Row(NamedTuple):
    """A mail as a list shows it."""

    id: str
    to: str
    subject: str
    state: str
    created_at: datetime
    error: str | None


def _store() -> hub.Hub:
    current = hub.current()
    current.use("mail")
    return current


def _row(found: mail.Message) -> Row:
    return Row(found.id, found.shown_to, found.subject, found.state, found.created_at, found.error)


@app.command("list", default=True, undoable=False, columns=Row._fields, empty="There is no mail.")
def list_(
    before: Annotated[str | None, Option(help="Only older than the mail with this id.", metavar="ID")] = None,
    limit: Annotated[int, Option(min=1, max=1000, help="How many.")] = 50,
) -> list[Row]:
    """List mail, the newest first; it is kept for thirty days."""
    return [_row(found) for found in _store().read(mail.find, before=before, limit=limit)]


@app.command("show", undoable=False)
def show(id: Annotated[str, Argument(help="Its id.", metavar="ID")]) -> Opened:
    """Show one mail: headers, text, HTML, attachments."""
    return opened(_store().read(mail.get, id))


@app.command("source", undoable=False, says="{}")
def source(id: Annotated[str, Argument(help="Its id.", metavar="ID")]) -> str:
    """Print one mail as it leaves."""
    return _store().read(mail.get, id).raw.replace("\r\n", "\n").rstrip("\n")


@app.command("remove", undoable=False, says="Removed {}.")
def remove(id: Annotated[str, Argument(help="Its id.", metavar="ID")]) -> str:
    """Forget a mail; one that has not been sent is not sent."""
    _store().unit(mail.remove, id)
    return id


@app.command("test", undoable=False, columns=Row._fields)
def test(to: Annotated[str, Argument(help="Who gets it.", metavar="ADDRESS")]) -> Row:
    """Send a mail now and say what came of it."""
    import asyncio

    from backendhub.app.jobs import worker

    current = _store()
    text = "This is a test: the mail server takes what backendhub sends.\n"
    id = current.unit(mail.send, to=to, subject="A test from backendhub", text=text)
    assert id is not None
    asyncio.run(worker(current, queues=["mail"], once=True).run())
    return _row(current.read(mail.get, id))
