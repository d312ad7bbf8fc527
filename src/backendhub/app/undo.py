"""`backendhub undo`: one undo for every tool, from the journal in the store."""

from __future__ import annotations

from typing import Annotated

from typer import Argument, Option

from backendhub.kit import cli, hub
from backendhub.kit.db import journal

app = cli.commands("undo")
COMMANDS = {"undo": app}


@app.command(
    default=True,
    undoable=False,  # the journal labels an undo itself
    columns=("id", "at", "label", "rows", "undone"),
    empty="There is nothing to undo.",
    examples=("backendhub undo", "backendhub undo --list", "backendhub undo 12", "backendhub undo --redo"),
)
def undo(
    id: Annotated[int | None, Argument(help="The operation; without it the latest.", metavar="ID")] = None,
    list_: Annotated[bool, Option("--list", help="List what can be undone, newest first.")] = False,
    limit: Annotated[int, Option(min=1, max=journal.KEEP, help="How many to list.")] = 20,
    redo: Annotated[bool, Option("--redo", help="Take the latest undo back.")] = False,
    force: Annotated[bool, Option("--force", help="Even where a row was changed since.")] = False,
) -> list[journal.Unit] | journal.Unit | None:
    """Undo the last change of any tool."""
    if list_:
        if id is not None or redo or force:
            raise cli.Usage("--list only lists.", hint="backendhub undo --help")
        return hub.read(journal.history, limit)
    unit = hub.unit(journal.undo, id, redo=redo, force=force)
    output = hub.output()
    if output.structured or output.fields:
        return unit
    rows = "1 row" if unit.rows == 1 else f"{unit.rows} rows"
    verb, label = ("Redone", unit.label.removeprefix("undo ")) if redo else ("Undone", unit.label)
    output.line(f"{verb}: {label} ({rows})")
    return None
