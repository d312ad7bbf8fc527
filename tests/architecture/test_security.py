"""What docs/security.md claims: every test it names is there, every requirement of ASVS level 1 is answered, and what can
be seen in the source alone is so."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

# Level 1 of OWASP ASVS 5.0.0.
LEVEL_1 = [
    "1.2.1",
    "1.2.2",
    "1.2.3",
    "1.2.4",
    "1.2.5",
    "1.3.1",
    "1.3.2",
    "1.5.1",
    "2.1.1",
    "2.2.1",
    "2.2.2",
    "2.3.1",
    "3.2.1",
    "3.2.2",
    "3.3.1",
    "3.4.1",
    "3.4.2",
    "3.5.1",
    "3.5.2",
    "3.5.3",
    "4.1.1",
    "4.4.1",
    "5.2.1",
    "5.2.2",
    "5.3.1",
    "5.3.2",
    "6.1.1",
    "6.2.1",
    "6.2.2",
    "6.2.3",
    "6.2.4",
    "6.2.5",
    "6.2.6",
    "6.2.7",
    "6.2.8",
    "6.3.1",
    "6.3.2",
    "6.4.1",
    "6.4.2",
    "7.2.1",
    "7.2.2",
    "7.2.3",
    "7.2.4",
    "7.4.1",
    "7.4.2",
    "8.1.1",
    "8.2.1",
    "8.2.2",
    "8.3.1",
    "9.1.1",
    "9.1.2",
    "9.1.3",
    "9.2.1",
    "10.4.1",
    "10.4.2",
    "10.4.3",
    "10.4.4",
    "10.4.5",
    "11.3.1",
    "11.3.2",
    "11.4.1",
    "12.1.1",
    "12.2.1",
    "12.2.2",
    "13.4.1",
    "14.2.1",
    "14.3.1",
    "15.1.1",
    "15.2.1",
    "15.3.1",
]
STATES = {"met", "not met", "n/a", "TLS in front"}


@pytest.fixture(scope="module")
def page() -> str:
    return (Path(__file__).parents[2] / "docs" / "security.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def trees() -> list[tuple[str, ast.Module]]:
    """Every module of the product."""
    source = Path(__file__).parents[2] / "src" / "backendhub"
    return [
        (path.relative_to(source).as_posix(), ast.parse(path.read_text(encoding="utf-8")))
        for path in sorted(source.rglob("*.py"))
    ]


def calls(trees: list[tuple[str, ast.Module]]) -> Iterator[tuple[str, ast.Call, str]]:
    """Every call: where, what, and the dotted name that is called."""
    for path, tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, (ast.Name, ast.Attribute)):
                yield path, node, ast.unparse(node.func)


def test_every_test_that_is_named_is_there(page: str, root: Path) -> None:
    named = 0
    for line in page.splitlines():
        defined: set[str] = set()
        for path, name in re.findall(r"`(?:([\w/]+\.py)::)?(test_\w+)`", line):
            if path:
                text = (root / "tests" / path).read_text(encoding="utf-8")
                defined = set(re.findall(r"^(?:async )?def (test_\w+)", text, re.MULTILINE))
            assert name in defined, line
            named += 1
    assert named > 100


def test_every_requirement_of_level_1_is_answered(page: str) -> None:
    lines = re.findall(r"^\| (\d+\.\d+\.\d+ .*) ?\|$", page, re.MULTILINE)
    rows = [[cell.strip() for cell in line.split("|")] for line in lines]
    assert {len(row) for row in rows} == {4}
    assert [number for number, *_ in rows] == LEVEL_1
    for number, state, why, shown in rows:
        assert state in STATES, number
        assert state != "met" or "::test_" in shown, f"{number} is said to be met, and nothing shows it"
        assert why or state == "TLS in front", number


def test_no_shell_and_no_code_out_of_data(trees: list[tuple[str, ast.Module]]) -> None:
    for path, call, name in calls(trees):
        shell = [k for k in call.keywords if k.arg == "shell" and ast.unparse(k.value) != "False"]
        assert not shell and name not in ("os.system", "os.popen", "exec", "compile"), (path, call.lineno)
        # Row decoders are written out of the names of our own dataclasses' fields.
        assert name != "eval" or path == "kit/db/records.py", (path, call.lineno)
        assert not re.fullmatch(r"(pickle|marshal|shelve)\.\w+", name), (path, call.lineno)


def test_no_xml_is_parsed(trees: list[tuple[str, ast.Module]]) -> None:
    parsers = re.compile(r"(ElementTree|ET|etree)\.(parse|fromstring|XML|iterparse|XMLParser)|minidom\.\w+")
    assert not [(path, call.lineno) for path, call, name in calls(trees) if parsers.fullmatch(name)]
    imported = {
        alias.name if isinstance(node, ast.Import) else str(node.module)
        for _, tree in trees
        for node in ast.walk(tree)
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for alias in node.names
    }
    assert not {m for m in imported if m.split(".")[0] in ("lxml", "xmltodict") or m.startswith("xml.sax")}


def test_weak_hashes_are_for_names_only(trees: list[tuple[str, ast.Module]]) -> None:
    for path, call, name in calls(trees):
        if name.rpartition(".")[2] in ("md5", "sha1"):
            said = {k.arg: ast.unparse(k.value) for k in call.keywords}
            assert said.get("usedforsecurity") == "False", (path, call.lineno)


KNOWN_BY_NOW = {"change_user", "new_hash", "wanted", "generate_link"}
"""Functions that hash for somebody who has proved who they are."""


def test_no_door_is_without_a_limit(trees: list[tuple[str, ast.Module]]) -> None:
    """Whoever has a password hashed is counted first; `accounts.verified` counts by itself."""
    counting, doors = {"registering", "tried", "limited"}, 0
    for path, tree in trees:
        for fn in (n for n in ast.walk(tree) if isinstance(n, ast.AsyncFunctionDef)):
            names = {n.func.attr if isinstance(n.func, ast.Attribute) else ast.unparse(n.func)
                     for n in ast.walk(fn) if isinstance(n, ast.Call)}  # fmt: skip
            if names & {"ahash", "averify"} and path.startswith(("systems/", "kit/account_routes")):
                doors += 1
                assert names & counting or fn.name in KNOWN_BY_NOW, (path, fn.name)
    assert doors > 8


def test_time_frames_for_dependencies_are_documented(page: str, root: Path) -> None:
    frames = page.partition("## Dependencies")[2]
    assert all(word in frames for word in ("critical", "high", "30 days", "make audit"))
    assert "pip-audit" in (root / "Makefile").read_text(encoding="utf-8")


def test_limits_on_tries_are_documented(root: Path) -> None:
    page = (root / "docs" / "operate.md").read_text(encoding="utf-8")
    assert "`accounts.tries`" in page and "thirty" in page
    assert "`jwt_auth.limit`" in (root / "docs/systems/jwt_auth.md").read_text(encoding="utf-8")


def test_a_wheel_holds_no_repository(root: Path, tmp_path: Path) -> None:
    import tomllib

    built = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]["build"]
    assert built["targets"]["wheel"]["packages"] == ["src/backendhub"]
    listed = subprocess.run(
        ["git", "ls-files", "src/backendhub"], cwd=root, capture_output=True, text=True, check=False
    ).stdout.split()
    assert not [name for name in listed if "/." in name]
