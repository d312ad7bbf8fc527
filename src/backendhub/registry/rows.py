"""What a row of the registry says."""

from __future__ import annotations

from typing import NamedTuple


class Option(NamedTuple):
    """A setting that a system adds: `task.sort` is BACKENDHUB_TASK_SORT, plus the names in `env`.

    `serve` takes it as `--flag METAVAR` (a switch without `metavar`; more than once if it `repeats`: the values are
    joined by blanks), or as the files with these `suffixes` that stand behind the system's name (joined as paths are).
    """

    name: str
    help: str
    default: str | None = None
    env: tuple[str, ...] = ()
    secret: bool = False
    flag: str = ""
    metavar: str = ""
    repeats: bool = False
    suffixes: tuple[str, ...] = ()


class System(NamedTuple):
    """One row: a name that is unique in folders, tables, URLs and events, and what it offers.

    `uses` names what several processes of it must share through Redis: `events`, `limits`.
    """

    name: str
    group: str
    summary: str
    faces: str
    extras: tuple[str, ...] = ()
    settings: tuple[Option, ...] = ()
    module: str = ""
    uses: str = ""

    @property
    def package(self) -> str:
        """The import path of the system's folder."""
        return self.module or "backendhub.systems." + self.name.replace("-", "_")

    def has(self, face: str) -> bool:
        """Whether it has a face: `cli`, `api` or `jobs`."""
        return face in self.faces.split()
