"""`backendhub list` and `backendhub demo`: what there is, and sample data to try it with."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Annotated, NamedTuple

from typer import Argument, Option

from backendhub import registry
from backendhub.kit import cli, hub
from backendhub.kit.errors import Invalid, NotFound

list_app = cli.commands("list")
demo_app = cli.commands("demo")
COMMANDS = {"list": list_app, "demo": demo_app}


class Row(NamedTuple):
    """A system as `backendhub list` shows it."""

    name: str
    group: str
    faces: str
    status: str
    summary: str


class Filled(NamedTuple):
    """How many things a system's demo added."""

    name: str
    added: int
    note: str


@list_app.command(default=True, undoable=False, examples=("backendhub list --group everyday",))
def list_(
    group: Annotated[str | None, Option(help="Only this group.")] = None,
    face: Annotated[str | None, Option(help="Only with this face: cli, api or jobs.")] = None,
) -> list[Row]:
    """List every system: its group, its faces (cli, api, jobs) and whether it is ready to use."""
    if group is not None and group not in registry.GROUPS:
        raise Invalid(f"There is no group {group!r}.", hint="choose from " + ", ".join(registry.GROUPS))
    if face is not None and face not in ("cli", "api", "jobs"):
        raise Invalid(f"There is no face {face!r}.", hint="choose from cli, api, jobs")
    found = [*registry.SYSTEMS, *registry.extensions()]
    return [
        Row(s.name, s.group, s.faces, status(s), s.summary)
        for s in found
        if group in (None, s.group) and (face is None or s.has(face))
    ]


def status(system: registry.System) -> str:
    """`ready`, or which extras it waits for."""
    if not system.extras:
        return "ready"
    from backendhub.app.doctor import extras

    missing = [name for name, installed in extras().items() if name in system.extras and not installed]
    return "needs " + " ".join(missing) if missing else "ready"


@demo_app.command(default=True, examples=("backendhub demo task", "backendhub demo --all"))
def demo(
    names: Annotated[list[str] | None, Argument(help="Systems to fill.", metavar="NAME...")] = None,
    all_: Annotated[bool, Option("--all", help="Every system that has sample data.")] = False,
) -> list[Filled]:
    """Fill systems with believable sample data; those that have data already are left alone."""
    if bool(names) == all_:
        able = ", ".join(s.name for s in registry.SYSTEMS if has_demo(s))
        raise cli.Usage("Name systems, or say --all.", hint=f"with sample data: {able}")
    return [_load(system) for system in _chosen(names or ())]


def has_demo(system: registry.System) -> bool:
    """Whether a system brings sample data."""
    return find_spec(f"{system.package}.demo") is not None


def _chosen(names: Sequence[str]) -> list[registry.System]:
    if not names:
        return [s for s in registry.SYSTEMS if has_demo(s)]
    found = []
    for name in dict.fromkeys(names):
        system = registry.find(name)
        if system is None:
            error = cli.unknown("system", name, name, [s.name for s in registry.SYSTEMS])
            raise NotFound(error.message, hint=error.hint)
        if not has_demo(system):
            raise Invalid(f"`{name}` has no sample data.", hint="backendhub demo --all")
        found.append(system)
    return found


def _load(system: registry.System) -> Filled:
    current = hub.current()
    current.use(system.name)
    current.begin(f"demo {system.name}")
    added = int(current.unit(import_module(f"{system.package}.demo").load))
    return Filled(system.name, added, "added" if added else "has data already, left alone")
