"""`backendhub files`: what is kept, for whom, and whether it is all there."""

from __future__ import annotations

from typing import Annotated, NamedTuple

from typer import Argument, Option

from backendhub.kit import cli, hub
from backendhub.kit import files as kit
from backendhub.kit.db import Db
from backendhub.kit.files import store
from backendhub.kit.files.service import size

app = cli.commands(
    "files",
    "Files that the APIs keep. `serve` collects what nobody uses every hour; this does it now.",
    examples=("backendhub files usage", "backendhub files quota ann 5GB", "backendhub files check --verify"),
)
COMMANDS = {"files": app}


class Status(NamedTuple):
    """Counts over everything. `bytes` are those of the files, `stored` those that the back-end has for them."""

    place: str
    files: int
    bytes: int
    contents: int
    stored: int
    uploads: int
    trash: int


@app.command("status", default=True, undoable=False, columns=Status._fields)
def status() -> Status:
    """Where files are kept, how many there are, and how much equal content saves."""
    files = hub.current().files
    row = files.store.read(lambda db: db.fetch(store.TOTALS, {})[0])
    return Status(files.backend.url, *(int(n) for n in row))


@app.command(
    "usage", undoable=False, columns=("owner", "bytes", "files", "quota"), empty="Nobody has any files."
)
def usage(
    owner: Annotated[str | None, Argument(help="Only this owner.", metavar="OWNER")] = None,
) -> list[kit.Usage]:
    """What each owner has."""
    files = hub.current().files
    if owner is not None:
        return [files.store.read(kit.usage, owner)]
    return files.store.read(_usages)


def _usages(db: Db) -> list[kit.Usage]:
    return db.all(kit.Usage, store.USAGES, after="", limit=10_000)


@app.command("quota", undoable=False, columns=("owner", "bytes", "files", "quota"))
def quota(
    owner: Annotated[str, Argument(help="Whose.", metavar="OWNER")],
    bytes: Annotated[
        str | None, Argument(help="5GB, 500MiB; without it the setting's.", metavar="SIZE")
    ] = None,
) -> kit.Usage:
    """Give an owner a quota of their own, or take it back."""
    return hub.current().files.store.unit(kit.set_quota, owner, size(bytes))


@app.command("gc", undoable=False, columns=kit.Collected._fields)
def gc(
    strays: Annotated[
        bool, Option("--strays", help="Also list the whole place for bytes that no row knows.")
    ] = False,
) -> kit.Collected:
    """Delete what nobody uses. Bytes go ten minutes after the last file that had them."""
    return hub.current().files.collect(strays=strays)


@app.command("check", undoable=False, columns=kit.Damage._fields, empty="Everything is there.")
def check(
    verify: Annotated[bool, Option("--verify", help="Read everything and compare its hash.")] = False,
) -> cli.Result | list[kit.Damage]:
    """Compare what the store says with what is there. Exit code 1 where something is missing or damaged."""
    found = hub.current().files.check(verify=verify)
    return cli.Result(found, 1) if found else found
