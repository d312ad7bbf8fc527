"""Regenerates what is made from the code: reference and man page, the README's table, the list of migrations.

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
MAN = "share/man/man1/backendhub.1"
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
        MAN: man(),
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


EXIT_CODES = (
    (0, "Done; nothing found is done too."),
    (1, "It failed."),
    (2, "A command line or a value that is not allowed."),
    (3, "There is no such thing."),
    (4, "Credentials are missing or refused."),
    (5, "Another server or the network failed."),
    (6, "A rate limit."),
    (7, "The store is locked, damaged, full, read-only or of a newer version."),
    (8, "A policy that was asked for (--strict) is violated."),
    (130, "Interrupted."),
)


def man() -> str:
    """The man page: the help text of every command, exit codes, variables and files."""
    from backendhub import __version__
    from backendhub.app.main import APP, help_text, load

    summary = "one command that puts a whole back-end workbench on your machine"
    parts = [
        f'.TH BACKENDHUB 1 "" "backendhub {__version__}" "User Commands"',
        ".SH NAME",
        f"backendhub \\- {summary}",
        ".SH SYNOPSIS",
        ".B backendhub",
        "[OPTIONS] COMMAND [ARGS]",
        ".SH DESCRIPTION",
        *_verbatim(help_text().split("\n", 2)[2]),
        ".SH COMMANDS",
    ]
    for name in (*(s.name for s in registry.SYSTEMS if s.has("cli")), *APP):
        for path, spec in load(name).walk():
            if not spec.hidden:
                parts += [f".SS {_roff(path)}", *_verbatim(help_of(path, spec))]
    parts.append(".SH EXIT STATUS")
    for code, text in EXIT_CODES:
        parts += [".TP", f".B {code}", _roff(text)]
    parts.append(".SH ENVIRONMENT")
    for option in CORE:
        variable = (option.env or ("BACKENDHUB_" + option.name.upper().replace(".", "_"),))[0]
        parts += [".TP", f".B {variable}", _roff(option.help)]
    parts += [
        ".SH FILES",
        ".TP",
        ".I ~/.local/share/backendhub/hub.db",
        "The store, unless another is named.",
    ]
    parts += [".TP", ".I ~/.config/backendhub/config.toml", "Settings; see backendhub config."]
    return "\n".join(parts) + "\n"


def _verbatim(text: str) -> list[str]:
    return [".nf", *(_roff(line) for line in text.rstrip().splitlines()), ".fi"]


def _roff(line: str) -> str:
    """A line of text that troff prints as it is."""
    escaped = line.replace("\\", "\\e").replace("-", "\\-")
    return "\\&" + escaped if escaped.startswith((".", "'")) else escaped


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
