"""`backendhub task` as the brief words it, and every bad input."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.usefixtures("frozen")


def rows(ran: Any) -> Any:
    assert ran.code == 0, ran
    return json.loads(ran.out)


def test_the_brief_to_the_letter(cli: Any) -> None:
    assert cli("task", "add", "Buy groceries").out == "Task added successfully (ID: 1)\n"
    assert cli("task", "update", "1", "Buy groceries and cook dinner").code == 0
    assert cli("task", "add", "Second").code == 0
    assert cli("task", "add", "Third").code == 0
    assert cli("task", "mark-in-progress", "1").code == 0
    assert cli("task", "mark-done", "2").code == 0
    assert [t["id"] for t in rows(cli("task", "list", "--json"))] == [1, 2, 3]
    for status, ids in {
        "done": [2],
        "todo": [3],
        "in-progress": [1],
        "not-done": [1, 3],
        "all": [1, 2, 3],
    }.items():
        assert [t["id"] for t in rows(cli("task", "list", status, "--json"))] == ids, status
    first = rows(cli("task", "list", "--json"))[0]
    assert {"id", "description", "status", "createdAt", "updatedAt"} <= set(first)
    assert (first["description"], first["status"]) == ("Buy groceries and cook dinner", "in-progress")
    assert first["createdAt"] == "2026-01-05T09:00:00Z"
    assert cli("task", "delete", "1").code == 0
    assert cli("task", "add", "Fourth").out == "Task added successfully (ID: 4)\n"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("add", ""), 2),
        (("add", "   "), 2),
        (("add",), 2),
        (("add", "x", "--due", "2025-02-30"), 2),
        (("add", "x", "--due", "notadate"), 2),
        (("add", "x", "-p", "X"), 2),
        (("add", "x", "--after", "99"), 3),
        (("add", "x", "--after", "x"), 2),
        (("update", "1", " "), 2),
        (("update", "99", "x"), 3),
        (("update", "x", "y"), 2),
        (("edit", "1"), 2),
        (("edit", "1", "--after", "1"), 2),
        (("edit", "1", "--after", "2"), 2),
        (("delete", "99"), 3),
        (("mark-done", "1,99"), 3),
        (("mark-in-progress", "1-99"), 3),
        (("done", "x"), 2),
        (("list", "finished"), 2),
        (("list", "--sort", "colour"), 2),
        (("list", "--due-before", "soon"), 2),
        (("next", "--limit", "0"), 2),
        (("show", "99"), 3),
        (("note", "1", " "), 2),
        (("due", "--within", "soon"), 2),
        (("export", "--format", "xml"), 2),
        (("import", "/does/not/exist"), 3),
    ],
)
def test_bad_input_changes_nothing_and_is_one_line(cli: Any, words: tuple[str, ...], code: int) -> None:
    cli("task", "add", "first")
    cli("task", "add", "second", "--after", "1")
    before = cli("task", "list", "--json").out
    ran = cli("task", *words)
    assert (ran.code, ran.out) == (code, ""), ran
    assert ran.err.startswith("Error: ")
    assert len(ran.err.splitlines()) <= 2
    assert cli("task", "list", "--json").out == before
    if code == 3 and "99" in " ".join(words):
        assert "99" in ran.err


def test_done_twice_is_0_and_says_so(cli: Any) -> None:
    cli("task", "add", "x")
    cli("task", "done", "1")
    ran = cli("task", "done", "1")
    assert (ran.code, ran.out) == (0, "Task 1 is already done\n")


def test_escapes_are_stored_but_do_not_reach_the_terminal(cli: Any) -> None:
    text = "\x1b[31mred\x1b[0m \u202eevil"
    cli("task", "add", text)
    for words, tty in ((("list",), True), (("list",), False), (("show", "1"), True), (("next",), True)):
        ran = cli("task", *words, "--color", "never", tty=tty)
        assert "\x1b" not in ran.out
        assert "\u202e" not in ran.out
        assert "red" in ran.out
    assert rows(cli("task", "show", "1", "--json"))["description"] == text


COMMANDS = [
    ("add", "new"),
    ("update", "1", "changed"),
    ("edit", "1", "-p", "H", "--due", "fri", "-t", "x", "--every", "1w"),
    ("delete", "1,2"),
    ("mark-in-progress", "1"),
    ("mark-done", "1-2"),
    ("start", "1"),
    ("note", "1", "remark"),
]


@pytest.mark.parametrize("words", COMMANDS, ids=lambda w: w[0])
def test_every_command_can_be_undone(cli: Any, words: tuple[str, ...]) -> None:
    cli("task", "add", "first", "-t", "a", "--due", "2026-01-31", "--every", "1m")
    cli("task", "add", "second", "--after", "1")
    before = [rows(cli("task", "show", str(n), "--json")) for n in (1, 2)]
    assert cli("task", *words).code == 0
    assert cli("undo").out.startswith(f"Undone: task {words[0]}")
    assert [rows(cli("task", "show", str(n), "--json")) for n in (1, 2)] == before
    assert len(rows(cli("task", "list", "--json"))) == 2


def test_several_tasks_from_stdin(cli: Any) -> None:
    ran = cli("task", "add", "-", "-t", "bulk", stdin="one\n\ntwo\n")
    assert ran.out == "Task added successfully (ID: 1)\nTask added successfully (ID: 2)\n"
    assert cli("task", "add", "-", stdin="three\n" + "x" * 10_001 + "\n").code == 2
    assert len(rows(cli("task", "list", "--json"))) == 2


def test_due_prints_nothing_where_there_is_nothing(cli: Any) -> None:
    cli("task", "add", "later", "--due", "+9d")
    ran = cli("task", "due", "--within", "24h", "--quiet")
    assert (ran.code, ran.out, ran.err) == (0, "", "")
    assert cli("task", "due", "--within", "10d").out == "1\t2026-01-14\t\tlater\n"


def test_next_explains_itself(cli: Any) -> None:
    cli("task", "add", "x", "-p", "H")
    assert cli("task", "next").out == "1\t6.0\t\t\tx\n"
    assert cli("task", "next", "--explain").out == "1\t6.0\t\t\tx\tpriority H +6.0\n"
    assert rows(cli("task", "next", "--json"))[0]["why"] == "priority H +6.0"


# -- files -------------------------------------------------------------------------------------------------


def fill(cli: Any) -> None:
    cli(
        "task",
        "add",
        "Pay rent",
        "-p",
        "H",
        "--due",
        "2026-01-31",
        "--every",
        "1m",
        "-t",
        "home",
        "--project",
        "flat",
    )
    cli("task", "add", "Call =SUM(A1)", "-p", "M", "-t", "a", "-t", "b", "--after", "1")
    cli("task", "add", 'Ünïcode, "quoted"', "--due", "2026-02-01T17:00Z")
    cli("task", "add", "Started")
    cli("task", "mark-in-progress", "4")
    cli("task", "add", "Finished")
    cli("task", "done", "5")


# What each format can hold; the rest is lost by its nature.
KEPT = {
    "json": (
        "description",
        "status",
        "priority",
        "due",
        "project",
        "tags",
        "recurRule",
        "recurMode",
        "dependsOn",
        "createdAt",
        "doneAt",
    ),
    "todo.txt": ("description", "tags", "project", "recurRule", "recurMode"),
    "taskwarrior": ("description", "status", "priority", "project", "tags", "createdAt", "doneAt"),
    "csv": ("description", "status", "priority", "due", "project", "tags", "createdAt"),
    "md": ("description", "status", "due", "tags"),
}


@pytest.mark.parametrize("format", KEPT)
@pytest.mark.parametrize("named", [True, False])
def test_what_is_exported_comes_back(cli: Any, tmp_path: Path, format: str, named: bool) -> None:
    fill(cli)
    before = rows(cli("task", "list", "--json"))
    exported = cli("task", "export", "--format", format)
    assert exported.code == 0
    suffix = {"todo.txt": "txt", "taskwarrior": "json"}.get(format, format)
    file = tmp_path / f"tasks.{suffix}"
    file.write_text(exported.out, encoding="utf-8")
    fresh = ("--db", str(tmp_path / "fresh.db"))
    ran = cli("task", "import", str(file), *(("--format", format) if named else ()), *fresh)
    assert ran.out == "5 tasks imported\n", ran
    after = rows(cli("task", "list", "--json", *fresh))
    keep = KEPT[format]
    assert [{k: t[k] for k in keep} for t in after] == [{k: t[k] for k in keep} for t in before]


def test_import_dry_run_changes_nothing(cli: Any, tmp_path: Path) -> None:
    (tmp_path / "t.md").write_text("# Plan\n\n- [ ] one #a\n- [x] two\nprose\n")
    ran = cli("task", "import", str(tmp_path / "t.md"), "--dry-run")
    assert ran.code == 0
    assert "2 tasks would be imported" in ran.err
    assert cli("task", "list").out == ""


@pytest.mark.parametrize(
    ("format", "text", "place"),
    [
        ("json", "{", "not JSON"),
        ("json", "[1]", "not a list"),
        ("json", '[{"description": "ok"}, {"description": ""}]', "entry 2"),
        ("json", '[{"description": 7}]', "entry 1"),
        ("json", '[{"description": "x", "createdAt": "soon"}]', "entry 1"),
        ("json", '[{"description": "x", "tags": "a"}]', "entry 1"),
        ("json", '[{"description": "x", "status": "maybe"}]', "entry 1"),
        ("csv", "id,name\n1,x\n", "no column `description`"),
        ("csv", "description,due\nok,\nx,2025-02-30\n", "line 3"),
        ("csv", "description\na,b\n", "line 2"),
        ("todo.txt", "fine\n(A) due:notadate\n", "line 2"),
        ("taskwarrior", '[{"description": "x", "entry": "never"}]', "entry 1"),
        ("md", "- [ ] ok\n- [ ] x (due 2025-02-30)\n", "line 2"),
    ],
)
def test_a_bad_file_names_the_place_and_changes_nothing(cli: Any, format: str, text: str, place: str) -> None:
    ran = cli("task", "import", "-", "--format", format, stdin=text)
    assert (ran.code, ran.out) == (2, ""), ran
    assert place in ran.err
    assert cli("task", "list").out == ""


def test_csv_of_tasks_escapes_formulas(cli: Any) -> None:
    cli("task", "add", "=HYPERLINK(1)")
    assert ",'=HYPERLINK(1)," not in cli("task", "export", "--format", "json").out
    assert "1,'=HYPERLINK(1),todo" in cli("task", "export", "--format", "csv").out
    assert "'=HYPERLINK(1)" in cli("task", "list", "--format", "csv").out
