"""`backendhub db`: which migrations the store has, and applying those it lacks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, NamedTuple

from typer import Argument

from backendhub import registry
from backendhub.kit import cli, hub
from backendhub.kit.db import Db, migrate, status
from backendhub.kit.db.migrate import changed, files, needs
from backendhub.kit.errors import NotFound

app = cli.commands(
    "db",
    "Migrations. They are applied by themselves when a tool is first used; this shows and applies them ahead.",
    examples=("backendhub db status", "backendhub db migrate"),
)
COMMANDS = {"db": app}

Names = Annotated[list[str] | None, Argument(help="Systems; without them all.", metavar="NAME...")]


class Row(NamedTuple):
    """A migration and whether this store has it."""

    system: str
    migration: str
    state: str


@app.command("status", default=True, undoable=False, columns=Row._fields)
def status_(names: Names = None) -> list[Row]:
    """Every migration and whether the store has it: applied, pending or changed since it was applied."""
    return hub.read(rows, systems(names or ()))


@app.command("migrate", undoable=False, columns=Row._fields, empty="Nothing to apply: the store is current.")
def migrate_(names: Names = None) -> list[Row]:
    """Apply what is pending, each system in full or not at all."""
    current = hub.current()
    return [
        Row(name, file, "applied") for name in systems(names or ()) for file in current.unit(migrate, name)
    ]


def systems(names: Sequence[str]) -> list[str]:
    """The systems of these names that have tables, or all of them, each after the parts of the kit that it needs.

    Raises NotFound for an unknown name.
    """
    known = ["hub", *(s.name for s in registry.SYSTEMS if files(s.name, "sqlite"))]
    for name in names:
        if name not in known and registry.find(name) is None:
            error = cli.unknown("system", name, name, known, "db")
            raise NotFound(error.message, hint=error.hint)
    dialect = hub.current().store.dialect
    wanted: dict[str, None] = {}
    for name in names or known:
        wanted |= dict.fromkeys((*needs(name, dialect), name))
    return list(wanted)


def rows(db: Db, names: Sequence[str]) -> list[Row]:
    """Each migration with its state. Raises StoreError where the store is of a newer version."""
    found = []
    for name in names:
        edited = set(changed(db, name))
        for migration in status(db, name):
            state = "applied" if migration.applied else "pending"
            found.append(Row(name, migration.name, "changed" if migration.name in edited else state))
    return found
