"""What systems take on the command line of `serve`: `serve rest db.json --dialect v1`.

A system's row says which of its settings `serve` takes, as an option or as the files behind its name. They become
values of these settings, so that environment, config file and command line are three ways to say the same.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from backendhub import registry
from backendhub.kit import cli
from backendhub.kit.errors import Invalid
from backendhub.kit.settings import Settings

Given = dict[str, str]


def extras() -> list[cli.Extra]:
    """The options of every system; one that several systems have stands there once."""
    found: dict[str, cli.Extra] = {}
    for system in registry.SYSTEMS:
        for option in system.settings:
            if option.flag and option.flag in found:
                shared = found[option.flag]
                found[option.flag] = shared._replace(help=f"{shared.help} {system.name}: {option.help}.")
            elif option.flag:
                help = f"{system.name}: {option.help}."
                found[option.flag] = cli.Extra(option.flag, help, option.metavar, option.repeats)
    return list(found.values())


def divided(words: Sequence[str]) -> tuple[list[str], Given]:
    """The names of systems among the words, each once, and the settings that are the files behind them.

    A word belongs to the system before it if that takes files and it looks like one. Raises Invalid for one that
    stands behind no such system.
    """
    names: list[str] = []
    files: dict[str, list[str]] = {}
    system: registry.System | None = None
    for word in words:
        if (found := next((s for s in registry.SYSTEMS if s.name == word), None)) is not None:
            system = found
        elif _looks_like_a_file(word):
            option = next((o for o in (system.settings if system else ()) if o.suffixes), None)
            if option is None:
                raise Invalid(
                    f"{word!r} is no system.",
                    hint="files stand behind the name of the system that takes them",
                )
            files.setdefault(option.name, []).append(str(Path(word).absolute()))
            continue
        names.append(word)
    return list(dict.fromkeys(names)), {name: os.pathsep.join(paths) for name, paths in files.items()}


def _looks_like_a_file(word: str) -> bool:
    suffixes = {suffix for s in registry.SYSTEMS for o in s.settings for suffix in o.suffixes}
    return "/" in word or os.sep in word or Path(word).suffix.lower() in suffixes or Path(word).is_dir()


def settings(systems: Iterable[registry.System], given: Given) -> Given:
    """The settings that options of the command line stand for. Raises Invalid for one of no system served here."""
    found: Given = {}
    for flag, value in given.items():
        names = [o.name for s in systems for o in s.settings if o.flag == flag]
        if not names:
            owners = [s.name for s in registry.SYSTEMS if any(o.flag == flag for o in s.settings)]
            raise Invalid(f"--{flag} is an option of {' and '.join(owners)}, which is not served here.")
        found |= dict.fromkeys(names, value)
    return found


def signup(settings: Settings) -> str:
    """What is said at the start of whether people may make accounts of their own, where accounts are asked for.

    Raises Invalid for a setting that says neither.
    """
    from backendhub.kit import accounts

    free = accounts.signup_open(settings)
    if settings.get("auth") != "token":
        return ""
    if free:
        return " Sign-up is open to whoever reaches it (accounts.signup closed changes that)."
    return " Sign-up is closed: administrators make accounts (backendhub user add)."
