"""Regenerates what is made from the code: reference pages, the README's table of systems, the list of migrations.

`python -m backendhub.app.reference` (`make docs`) writes it; a test compares.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from backendhub import registry
from backendhub.kit import cli, hub
from backendhub.kit.settings import CORE, Settings

if TYPE_CHECKING:
    from backendhub.kit.settings import Declared

ROOT = Path(__file__).parents[3]
COMMANDS = "docs/reference/commands.md"
SETTINGS = "docs/reference/settings.md"
README = "README.md"
MIGRATIONS = "tests/architecture/migrations.txt"
BEGIN, END = "<!-- systems:begin -->", "<!-- systems:end -->"
MADE = "<!-- Made by `make docs`; a test checks that it is current. -->"


def render(root: Path = ROOT) -> dict[str, str]:
    """Every generated file: its path and what belongs in it."""
    hub.install(hub.Hub(Settings(declared=[o for s in registry.SYSTEMS for o in s.settings])))
    return {
        COMMANDS: commands(),
        SETTINGS: settings(),
        README: readme((root / README).read_text(encoding="utf-8")),
        MIGRATIONS: migrations(root),
    }


def help_of(path: str, spec: cli.Spec) -> str:
    """A command's help at a width of 80, whatever terminal this runs in."""
    command = cli.build(path, spec, {})
    with command.make_context(
        f"backendhub {path}", [], resilient_parsing=True, terminal_width=80, max_content_width=80
    ) as context:
        return "\n".join(line.rstrip() for line in command.get_help(context).strip().splitlines())


def commands() -> str:
    """The help text of every command."""
    from backendhub.app.main import APP, help_text, load

    parts = ["# Commands", "", MADE, "", "```text", help_text().rstrip(), "```", ""]
    tools = [s.name for s in registry.SYSTEMS if s.has("cli")]
    for name in (*tools, *APP):
        group = load(name)
        parts += [f"## {name}", ""]
        if group.specs or group.groups:
            parts += ["```text", group.help_text().rstrip(), "```", ""]
        for path, spec in group.walk():
            if spec.hidden:
                continue
            parts += [f"### {path}", ""] if path != name else []
            if spec.aliases:
                parts += ["Also: " + ", ".join(f"`{alias}`" for alias in spec.aliases) + ".", ""]
            parts += ["```text", help_of(path, spec), "```", ""]
    return "\n".join(parts).rstrip() + "\n"


def settings() -> str:
    """Every setting with its variables and default."""
    parts = [
        "# Settings",
        "",
        MADE,
        "",
        "A flag beats the environment beats the config file (`backendhub config path`) beats the default.",
        "",
        "| Setting | Environment | Default | What it does |",
        "|---|---|---|---|",
    ]
    declared: list[Declared] = [*CORE, *(o for s in registry.SYSTEMS for o in s.settings)]
    for option in sorted(declared, key=lambda o: o.name):
        derived = "BACKENDHUB_" + option.name.replace(".", "_").replace("-", "_").upper()
        names = ", ".join(f"`{v}`" for v in dict.fromkeys((derived, *option.env)))
        default = f"`{option.default}`" if option.default else ""
        text = option.help + (" (a secret)" if option.secret else "")
        parts.append(f"| `{option.name}` | {names} | {default} | {_cell(text)} |")
    return "\n".join(parts) + "\n"


def readme(text: str) -> str:
    """The README with its table of systems between the markers, which are added where there are none."""
    table = "\n".join(_table())
    block = f"{BEGIN}\n{table}\n{END}"
    if BEGIN not in text:
        return text.rstrip() + f"\n\n## Systems\n\n{block}\n"
    return re.sub(re.escape(BEGIN) + ".*?" + re.escape(END), lambda _: block, text, flags=re.DOTALL)


def _table() -> Iterator[str]:
    yield "| System | What it is for | Faces | Needs |"
    yield "|---|---|---|---|"
    for group, title in registry.GROUPS.items():
        rows = [s for s in registry.SYSTEMS if s.group == group]
        if rows:
            yield f"| **{title}** | | | |"
        for system in rows:
            page = f"docs/systems/{system.name.replace('-', '_')}.md"
            extras = ", ".join(f"`{e}`" for e in system.extras)
            faces = ", ".join(system.faces.split())
            yield f"| [{system.name}]({page}) | {_cell(system.summary)} | {faces} | {extras} |"


def migrations(root: Path) -> str:
    """The hash of every migration file, sorted; a line that is there already is never changed."""
    from hashlib import sha256

    path = root / MIGRATIONS
    known = dict(_lines(path.read_text(encoding="utf-8"))) if path.exists() else {}
    for file in sorted((root / "src").rglob("migrations/*.sql")):
        name = file.relative_to(root / "src" / "backendhub").as_posix()
        known.setdefault(name, sha256(file.read_text(encoding="utf-8").encode()).hexdigest())
    return "".join(f"{digest}  {name}\n" for name, digest in sorted(known.items()))


def _lines(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        digest, _, name = line.partition("  ")
        yield name, digest


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def main() -> None:
    """Writes every file that is not current and says which."""
    for name, text in render().items():
        path = ROOT / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            sys.stdout.write(name + "\n")


if __name__ == "__main__":
    main()
