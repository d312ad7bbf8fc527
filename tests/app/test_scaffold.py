"""`backendhub new`: what it makes passes the whole gate as it is."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from backendhub.app import scaffold
from backendhub.kit.errors import Conflict, Invalid

COPIED = ("src", "tests", "docs", "share", "pyproject.toml", "README.md", "CHANGELOG.md", "Makefile")
NAMES = {"habit": "habit", "reading-list": "reading_list"}


@pytest.fixture
def tree(tmp_path: Path, root: Path) -> Path:
    """A copy of the source tree."""
    copy = tmp_path / "tree"
    copy.mkdir()
    skip = shutil.ignore_patterns("__pycache__", ".mypy_cache", ".pytest_cache")
    for name in COPIED:
        if (root / name).is_dir():
            shutil.copytree(root / name, copy / name, ignore=skip)
        elif (root / name).exists():
            shutil.copy(root / name, copy / name)
    if (
        known := root / ".mypy_cache"
    ).is_dir():  # what mypy knows of all other files, where it has read them before
        shutil.copytree(known, copy / known.name)
    return copy


def run(tree: Path, *words: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(tree / "src"), "MYPYPATH": str(tree / "src")}
    return subprocess.run(
        [sys.executable, "-m", *words], cwd=tree, env=env, capture_output=True, text=True, timeout=300
    )


def test_what_it_makes_passes_ruff_mypy_and_the_suite(tree: Path) -> None:
    """Two systems, one with a hyphen, in one tree: what checks them takes its time to start."""
    own, suite = ["src/backendhub/registry/apis.py"], ["tests/architecture", "tests/docs"]
    for name, module in NAMES.items():
        made = run(tree, "backendhub", "new", name, "--summary", "Keep probes", "--group", "life")
        assert made.returncode == 0, made.stderr
        files = made.stdout.split()
        assert f"src/backendhub/systems/{module}/service.py" in files
        assert "src/backendhub/registry/apis.py" in files
        assert all((tree / file).exists() for file in files)
        own += [f"src/backendhub/systems/{module}", f"tests/systems/{module}"]
        suite.append(f"tests/systems/{module}")
    sources = [path for path in own if path.startswith("src/backendhub/systems")]
    for words in (("ruff", "check", *own), ("ruff", "format", "--check", *own), ("mypy", *sources)):
        done = run(tree, *words)
        assert done.returncode == 0, done.stdout + done.stderr
    theirs = " or ".join({*NAMES, *NAMES.values()})
    chosen = ["-k", f"{theirs} or registry or current or import"]
    tests = run(tree, "pytest", "-q", "-p", "no:cacheprovider", *chosen, *suite)
    assert tests.returncode == 0, tests.stdout[-5000:]
    assert " failed" not in tests.stdout
    for name in NAMES:
        assert "Keep probes" in run(tree, "backendhub", name, "--help").stdout


@pytest.mark.parametrize(
    "name",
    ["", "Habit", "1st", "a_b", "-x", "x-", "a--b", "ünit", "x" * 31, "order", "table", "class", "window"],
)
def test_names_that_cannot_be_folders_tables_or_commands(root: Path, name: str) -> None:
    with pytest.raises(Invalid):
        scaffold.check_name(name, "life", root)


@pytest.mark.parametrize("name", ["task", "serve", "hub", "help"])
def test_names_that_are_taken(root: Path, name: str) -> None:
    with pytest.raises(Conflict):
        scaffold.check_name(name, "life", root)


def test_elsewhere_than_in_a_source_tree(cli: Any, tmp_path: Path) -> None:
    ran = cli("new", "habit", "--into", str(tmp_path))
    assert ran.code == 2
    assert "is not the source tree" in ran.err
    assert cli("new", "habit", "--into", str(tmp_path), "--group", "nope").code == 2


@pytest.mark.parametrize(
    ("word", "many"),
    [("habit", "habits"), ("entry", "entries"), ("box", "boxes"), ("key", "keys"), ("match", "matches")],
)
def test_plurals(word: str, many: str) -> None:
    assert scaffold.plural(word) == many
