"""What keeps sixty systems from becoming one knot: imports, names, sizes, hot paths."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from backendhub import registry
from backendhub.app.main import APP

MAX_LINES = 400
# Files that may be longer, and why. Keep it empty if you can.
LONGER: dict[str, str] = {}
HEAVY = (
    "pydantic",
    "fastapi",
    "starlette",
    "httpx",
    "asyncio",
    "rich",
    "sqlite_utils",
    "platformdirs",
    "importlib.metadata",
)
# Everyday commands, each in a process of its own after the lines before `|`, piped.
HOT: dict[str, list[list[str]]] = {
    "task add": [["task", "add", "x", "--due", "fri", "-p", "H"]],
    "task list": [["task", "add", "x"], ["task", "list"]],
    "task list --json": [["task", "add", "x"], ["task", "list", "--json"]],
    "task done": [["task", "add", "x"], ["task", "done", "1"]],
    "task due": [["task", "due", "--within", "24h"]],
    "expense add": [["expense", "add", "-d", "Lunch", "-a", "20"]],
    "expense list": [["expense", "add", "-d", "Lunch", "-a", "20"], ["expense", "list"]],
    "convert": [["convert", "5", "km", "mi"]],
    "undo": [["task", "add", "x"], ["undo"]],
    "config get": [["config", "get", "timeout"]],
    "task --help": [["task", "--help"]],
    "task add --help": [["task", "add", "--help"]],
}


def test_import_contracts(root: Path) -> None:
    done = subprocess.run(
        [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root / "src")},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]


def test_every_row_of_the_registry_is_a_folder_and_every_folder_a_row(root: Path) -> None:
    systems = root / "src/backendhub/systems"
    folders = {path.parent.name for path in systems.glob("*/__init__.py")}
    # A folder without a face is a part of a system that is on its way: it has neither cli.py nor api.py.
    finished = {
        name for name in folders if any((systems / name / f"{face}.py").exists() for face in ("cli", "api"))
    }
    assert finished == {s.name.replace("-", "_") for s in registry.SYSTEMS}


@pytest.mark.parametrize("system", registry.SYSTEMS, ids=lambda s: s.name)
def test_a_row_says_what_the_folder_holds(system: registry.System, root: Path) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", system.name)
    assert system.name not in APP
    assert system.group in registry.GROUPS
    assert system.summary
    assert not system.summary.endswith(".")
    folder = root / "src/backendhub/systems" / system.name.replace("-", "_")
    for face in ("cli", "api", "jobs"):
        assert system.has(face) == (folder / f"{face}.py").exists(), face
    assert set(system.faces.split()) <= {"cli", "api", "jobs"}
    for option in system.settings:
        assert option.name.startswith(system.name.replace("-", "_") + ".") or "." in option.name
        assert option.help


def test_names_are_unique_and_no_table_prefix_hides_another() -> None:
    names = [s.name for s in registry.SYSTEMS]
    assert len(set(names)) == len(names)


def test_the_registry_imports_nothing_of_ours(root: Path) -> None:
    trees = [ast.parse(path.read_text()) for path in (root / "src/backendhub/registry").glob("*.py")]
    modules = [n.module or "" for tree in trees for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)]
    assert not [m for m in modules if m.startswith("backendhub")]


@pytest.mark.parametrize("name", HOT)
def test_hot_commands_load_nothing_heavy(name: str, tmp_path: Path) -> None:
    env = {k: v for k, v in os.environ.items() if not k.startswith(("BACKENDHUB_", "COV_"))}
    *before, last = HOT[name]
    for words in before:
        subprocess.run(
            [sys.executable, "-m", "backendhub", *words], env=env, capture_output=True, check=True, timeout=60
        )
    script = (
        "import sys, json; from backendhub.app.main import main; "
        "code = main(sys.argv[1:]); sys.stderr.write(json.dumps([code, sorted(sys.modules)]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *last], env=env, capture_output=True, text=True, timeout=60
    )
    code, modules = json.loads(done.stderr.splitlines()[-1])
    assert code == 0, done.stderr
    assert [m for m in HEAVY if m in modules] == []
    others = {s.name.replace("-", "_") for s in registry.SYSTEMS} - {last[0].replace("-", "_")}
    assert [m for m in modules if m.startswith("backendhub.systems.") and m.split(".")[2] in others] == []


def test_the_root_help_loads_no_system() -> None:
    script = "import sys; from backendhub.app.main import main; main(['--help']); sys.stderr.write(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    loaded = done.stderr.split()
    assert not [
        m for m in loaded if m.startswith("backendhub.systems") or m in HEAVY or m in ("typer", "sqlite3")
    ]


def sources(root: Path) -> list[Path]:
    return sorted(p for p in (root / "src").rglob("*.py"))


def test_files_stay_small(root: Path) -> None:
    found = {
        p.relative_to(root).as_posix(): len(p.read_text(encoding="utf-8").splitlines()) for p in sources(root)
    }
    long = {name: count for name, count in found.items() if count > MAX_LINES}
    assert set(long) <= set(LONGER), long
    assert all(count <= MAX_LINES * 1.25 for count in long.values()), long


def test_every_public_thing_has_a_docstring(root: Path) -> None:
    missing = []
    for path in sources(root):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        nodes: list[Any] = [
            tree,
            *(n for n in tree.body if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))),
        ]
        for node in nodes:
            name = getattr(node, "name", path.name)
            if not name.startswith("_") and ast.get_docstring(node) is None:
                missing.append(f"{path.relative_to(root)}: {name}")
    assert missing == []


def test_no_service_or_api_commits(root: Path) -> None:
    for path in (root / "src/backendhub/systems").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"\.(commit|rollback)\(\)", text), path


def test_released_migrations_are_immutable(root: Path) -> None:
    """A changed line means: put the old text back and write the next number. New files: `make docs` adds them."""
    listed = {}
    for line in (root / "tests/architecture/migrations.txt").read_text().splitlines():
        digest, _, name = line.partition("  ")
        listed[name] = digest
    found = {
        p.relative_to(root / "src/backendhub").as_posix(): sha256(
            p.read_text(encoding="utf-8").encode()
        ).hexdigest()
        for p in (root / "src").rglob("migrations/*.sql")
    }
    assert found == listed
