"""`backendhub new NAME`: everything a new system needs, complete enough to pass the whole suite as it is."""

from __future__ import annotations

import keyword
import re
import subprocess
import sys
from pathlib import Path
from typing import Annotated, NamedTuple

from typer import Argument, Option

from backendhub import registry
from backendhub.kit import cli, hub
from backendhub.kit.db import connect
from backendhub.kit.errors import Conflict, HubError, Invalid

app = cli.commands("new")
COMMANDS = {"new": app}
TEMPLATES = Path(__file__).parent / "templates" / "system"
# Words that name nothing of ours but something in PostgreSQL (SQLite is asked itself).
RESERVED = [
    "analyse",
    "analyze",
    "any",
    "array",
    "asymmetric",
    "both",
    "do",
    "end",
    "false",
    "for",
    "grant",
    "lateral",
    "leading",
    "only",
    "placing",
    "some",
    "symmetric",
    "trailing",
    "true",
    "user",
    "variadic",
    "window",
]


class Made(NamedTuple):
    """A file that was written."""

    file: str


@app.command(
    default=True,
    undoable=False,
    examples=('backendhub new habit --summary "Keep habits and streaks" --group life',),
)
def new(
    name: Annotated[str, Argument(help="Lower case, singular, words joined by -.", metavar="NAME")],
    summary: Annotated[str | None, Option(help="What it is for, in one line.")] = None,
    group: Annotated[str, Option(help="Its group: " + ", ".join(registry.GROUPS) + ".")] = "everyday",
    into: Annotated[Path, Option(help="The source tree.", metavar="FOLDER")] = Path(),
) -> list[Made]:
    """Scaffold a system in the source tree: code, migration, tests, documentation page, registry row."""
    root = into.absolute()
    check_tree(root)
    check_name(name, group, root)
    text = " ".join((summary or f"Keep {plural(name.replace('-', ' '))}").split()).rstrip(".")
    if any(c in text for c in '"\\{}|'):
        raise Invalid('The summary holds a character that code and tables cannot: one of " \\ { } |.')
    made = write(root, name, text)
    made.append(register(root, name, group, text))
    made += _reference(root)
    hub.output().note(f"Now: make test, then make {made[0]} yours.")
    return [Made(file) for file in made]


def check_tree(root: Path) -> None:
    """Raises Invalid where there is no source tree of this product."""
    try:
        project = (root / "pyproject.toml").read_text(encoding="utf-8")
    except OSError:
        project = ""
    if '\nname = "backendhub"' not in project:
        raise Invalid(
            f"{root} is not the source tree of backendhub.",
            hint="run it in a clone of the repository, or --into",
        )


def check_name(name: str, group: str, root: Path) -> None:
    """Raises Invalid for a name that cannot be a command, a folder and a table, Conflict for one that is taken."""
    from backendhub.app.main import APP

    if not re.fullmatch(r"[a-z][a-z0-9]{0,29}(-[a-z0-9]{1,29}){0,3}", name):
        raise Invalid(
            f"{name!r} is not a name.", hint="lower-case letters and digits, words joined by -: habit"
        )
    if group not in registry.GROUPS:
        raise Invalid(f"There is no group {group!r}.", hint="choose from " + ", ".join(registry.GROUPS))
    table = name.replace("-", "_")
    if name in APP or name in ("hub", "help") or (root / "src/backendhub/systems" / table).exists():
        raise Conflict(f"There is a {name} already.", hint="choose another name")
    store = connect(":memory:")
    try:
        store.unit(lambda db: db.run(f"CREATE TABLE {table} (id BIGINT)"))
        allowed = table not in RESERVED and not keyword.iskeyword(table)
    except HubError:
        allowed = False
    finally:
        store.close()
    if not allowed:
        raise Invalid(f"{name!r} is a reserved word of SQL or Python.", hint="choose another name")


def plural(word: str) -> str:
    """A word in the plural, as far as English is regular."""
    if re.search(r"[^aeiou]y$", word):
        return word[:-1] + "ies"
    return word + ("es" if re.search(r"(s|x|z|ch|sh)$", word) else "s")


def write(root: Path, name: str, summary: str) -> list[str]:
    """Writes the files of a system and gives their paths."""
    module = name.replace("-", "_")
    word = name.replace("-", " ")
    tokens = {
        "name": name,
        "module": module,
        "table": module,
        "table_plural": plural(module),
        "plural": plural(name),
        "word": word,
        "Word": word[:1].upper() + word[1:],
        "Class": "".join(part.capitalize() for part in name.split("-")),
        "Summary": summary[:1].upper() + summary[1:],
    }
    places = {"init.sql": "migrations/0001_init.sql", "page.md": f"docs/systems/{module}.md"}
    made = []
    for template in sorted(TEMPLATES.glob("*.txt")):
        file = template.stem
        if file.startswith("test_"):
            place = f"tests/systems/{module}/{file}"
        elif file == "page.md":
            place = places[file]
        else:
            place = f"src/backendhub/systems/{module}/{places.get(file, file)}"
        text = template.read_text(encoding="utf-8")
        for token, value in tokens.items():
            text = text.replace("{{" + token + "}}", value)
        path = root / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        made.append(place)
    _format(root, made)
    return sorted(made, key=lambda place: "systems" not in place.split("/")[:3])


def _format(root: Path, made: list[str]) -> None:
    """Formats what was made where ruff is installed: a long name moves line breaks."""
    from importlib.util import find_spec

    if find_spec("ruff") is not None:
        files = [file for file in made if file.endswith(".py")]
        for arguments in (["check", "-q", "--fix"], ["format", "-q"]):
            subprocess.run([sys.executable, "-m", "ruff", *arguments, *files], cwd=root, check=False)


HOMES = {"everyday": "tools", "business": "business", "infrastructure": "network", "realtime": "network"}
"""In which file of the registry the rows of a group are; those of others are in `apis`."""


def register(root: Path, name: str, group: str, summary: str) -> str:
    """Adds the row to the registry."""
    place = f"src/backendhub/registry/{HOMES.get(group, 'apis')}.py"
    path = root / place
    text = path.read_text(encoding="utf-8")
    row = f'    System("{name}", "{group}", "{summary}", "cli api"),\n'
    if len(row) > 111:
        row = f'    System(\n        "{name}",\n        "{group}",\n        "{summary}",\n        "cli api",\n    ),\n'
    start = text.index("ROWS: tuple[System, ...] = (")
    end = text.index("\n)\n", start) + 1
    path.write_text(text[:end] + row + text[end:], encoding="utf-8")
    return place


def _reference(root: Path) -> list[str]:
    """Regenerates the pages that are made from the registry, in a process that sees the new row."""
    import os

    done = subprocess.run(
        [sys.executable, "-m", "backendhub.app.reference"],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise HubError("The reference pages could not be regenerated.", hint=done.stderr.strip()[-500:])
    return done.stdout.split()
