"""`backendhub audit`: who changed what, and whether the log is as it was written."""

from __future__ import annotations

from typing import Annotated

from typer import Option

from backendhub.kit import audit, cli, hub

app = cli.commands(
    "audit",
    "The audit log: who changed what. It is only added to.",
    examples=("backendhub audit list", "backendhub audit verify"),
)
COMMANDS = {"audit": app}


def _store() -> hub.Hub:
    current = hub.current()
    current.use("audit")
    return current


@app.command(
    "list",
    default=True,
    undoable=False,
    columns=("id", "at", "actor", "action", "subject", "before", "after"),
    empty="Nothing was noted.",
)
def list_(
    actor: Annotated[str | None, Option(help="Only what this one did.")] = None,
    subject: Annotated[str | None, Option(help="Only what was done to this.")] = None,
    before: Annotated[int | None, Option(help="Only older than this entry.", metavar="ID")] = None,
    limit: Annotated[int, Option(min=1, max=1000, help="How many.")] = 50,
) -> list[audit.Entry]:
    """List entries, the newest first."""
    below = {"below": before} if before is not None else {}
    return _store().read(audit.find, actor=actor, subject=subject, limit=limit, **below)


@app.command(
    "verify",
    undoable=False,
    says="{0.entries} entries, as they were written. Head: {0.head}",
    examples=("backendhub audit verify", "backendhub audit verify --head HASH"),
)
def verify(
    head: Annotated[
        str | None,
        Option(help="Head of an earlier check, kept elsewhere: it must still be in the log.", metavar="HASH"),
    ] = None,
) -> audit.Checked:
    """Check every entry against its hash and the entry before it; exit code 8 where one does not fit."""
    return _store().read(audit.verify, head)
