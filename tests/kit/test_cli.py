"""The glue between a command's function and a person's words."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Annotated, Any

import pytest
from typer import Argument, Option

from backendhub.app import main as app_main
from backendhub.kit import cli as kit
from backendhub.kit import hub as hubs
from backendhub.kit.db import Db
from backendhub.kit.errors import (
    Conflict,
    Denied,
    Invalid,
    NotFound,
    PolicyViolation,
    StoreError,
    TooMany,
    Upstream,
)
from backendhub.kit.output import FORMATS

ERRORS = {
    "conflict": (Conflict("c"), 1),
    "invalid": (Invalid("i"), 2),
    "missing": (NotFound("n"), 3),
    "denied": (Denied("d"), 4),
    "upstream": (Upstream("u"), 5),
    "limited": (TooMany("t"), 6),
    "store": (StoreError("s"), 7),
    "policy": (PolicyViolation("p"), 8),
    "bug": (ZeroDivisionError("division by zero"), 1),
}


def make() -> kit.Commands:
    app = kit.commands("probe", "Probes.", examples=("backendhub probe echo 1",))

    @app.command(aliases=("say",), examples=("backendhub probe echo -40",))
    def echo(
        words: Annotated[list[str], Argument(help="What.")],
        times: Annotated[int, Option("-n", "--times", min=1, help="How often.")] = 1,
    ) -> list[dict[str, Any]]:
        """Say it.

        More about it.
        """
        return [{"full_text": " ".join(words), "n": n} for n in range(times)]

    @app.command(says="Saved {0[id]}")
    def save() -> dict[str, int]:
        """Save."""
        return {"id": 7}

    @app.command()
    def fail(kind: str) -> None:
        """Fail."""
        raise ERRORS[kind][0]

    @app.command()
    def strict() -> kit.Result:
        """Give data and a code."""
        return kit.Result([{"a": 1}], 8)

    @app.command()
    def export(format: Annotated[str, Option("--format")] = "md") -> str:
        """Have a format of its own."""
        return f"as {format}"

    @app.command()
    def interrupt() -> None:
        """Ctrl-C."""
        raise KeyboardInterrupt

    @app.command()
    def wipe(yes: Annotated[bool, Option("--yes")] = False) -> str:
        """Ask first."""
        kit.confirm("Really?", yes=yes)
        return "wiped"

    @app.command(hidden=True)
    def secret() -> str:
        """Hidden."""
        return "found"

    nested = app.group("budget", "Budgets")

    @nested.command("set")
    def set_(amount: float) -> str:
        """Set."""
        return f"set {amount}"

    @nested.command(default=True)
    def status() -> str:
        """Status."""
        return "status"

    return app


@pytest.fixture
def probe(cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """`probe("echo", "1")`: the commands above through the whole entry point."""
    app = make()
    known = app_main.load
    monkeypatch.setattr(app_main, "load", lambda name: app if name == "probe" else known(name))
    yield cli


def test_a_command_is_found_by_name_and_alias(probe: Any) -> None:
    assert probe("probe", "echo", "a", "b").out == probe("probe", "say", "a", "b").out == "a b\t0\n"


@pytest.mark.parametrize("words", [("-40", "C"), ("-.5",), ("-1e3", "x"), ("a", "-2")])
def test_negative_numbers_are_arguments(probe: Any, words: tuple[str, ...]) -> None:
    assert probe("probe", "echo", *words).out == " ".join(words) + "\t0\n"
    assert probe("probe", "echo", *words, "-n", "2").out.count("\n") == 2


def test_negative_numbers_reach_typed_parameters(probe: Any) -> None:
    assert probe("probe", "budget", "set", "-12.5").out == "set -12.5\n"


def test_after_two_dashes_everything_is_an_argument(probe: Any) -> None:
    assert probe("probe", "echo", "--", "--json", "-n").out == "--json -n\t0\n"


def test_output_options_work_before_and_after_the_command(probe: Any) -> None:
    expected = [{"full_text": "x", "n": 0}]
    for words in (("--json", "probe", "echo", "x"), ("probe", "echo", "x", "--json"), ("probe", "echo", "--json", "x"),
                  ("--format=json", "probe", "echo", "x"), ("--format", "json", "probe", "echo", "x")):  # fmt: skip
        ran = probe(*words)
        assert json.loads(ran.out) == expected, words
        assert ran.code == 0


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_is_taken(probe: Any, format: str) -> None:
    ran = probe("probe", "echo", "x", "--format", format)
    assert ran.code == 0
    assert "x" in ran.out


def test_fields_choose_columns(probe: Any) -> None:
    assert probe("probe", "echo", "x", "--fields", "n, fullText").out == "0\tx\n"
    ran = probe("probe", "echo", "x", "--fields", "nope")
    assert (ran.code, ran.err) == (2, "Error: There is no field 'nope'.\nHint: choose from fullText, n\n")


def test_a_template_speaks_to_people_and_data_to_programs(probe: Any) -> None:
    assert probe("probe", "save").out == "Saved 7\n"
    assert json.loads(probe("probe", "save", "--json").out) == {"id": 7}
    assert probe("probe", "save", "--fields", "id").out == "7\n"


def test_a_command_may_have_a_format_of_its_own(probe: Any) -> None:
    assert probe("probe", "export", "--format", "html").out == "as html\n"
    assert probe("probe", "export").out == "as md\n"


def test_a_result_may_carry_a_code(probe: Any) -> None:
    ran = probe("probe", "strict", "--json")
    assert (ran.code, json.loads(ran.out)) == (8, [{"a": 1}])


@pytest.mark.parametrize("kind", ERRORS)
def test_every_error_has_its_code_and_is_one_line(probe: Any, kind: str) -> None:
    error, code = ERRORS[kind]
    ran = probe("probe", "fail", kind)
    assert (ran.code, ran.out) == (code, "")
    assert ran.err.startswith("Error: ")
    assert str(error) in ran.err
    assert "Traceback" not in ran.err
    as_json = probe("probe", "fail", kind, "--json")
    assert as_json.code == code
    assert set(json.loads(as_json.err)["error"]) == {"code", "message", "hint"}


def test_debug_shows_where_it_happened(probe: Any) -> None:
    ran = probe("--debug", "probe", "fail", "bug")
    assert "Traceback" in ran.err
    assert "ZeroDivisionError" in ran.err


def test_interrupt_is_130(probe: Any) -> None:
    ran = probe("probe", "interrupt")
    assert (ran.code, ran.out, ran.err) == (130, "", "")


@pytest.mark.parametrize(
    ("words", "near"),
    [
        (("prob",), ""),
        (("tsak", "list"), "did you mean `task`?"),
        (("probe", "ecko"), "did you mean `echo`?"),
        (("probe", "budget", "zet", "1"), ""),
        (("task", "lst"), "did you mean `list`?"),
        (("--jsn", "task", "list"), "did you mean `--json`?"),
        (("task", "list", "--sortt", "id"), "--sort"),
    ],
)
def test_what_does_not_exist_is_a_usage_error_that_names_the_nearest(
    probe: Any, words: tuple[str, ...], near: str
) -> None:
    ran = probe(*words)
    assert (ran.code, ran.out) == (2, "")
    assert near in ran.err
    assert ran.err.count("\n") <= 2


@pytest.mark.parametrize(
    "words", [("probe", "echo"), ("probe", "echo", "x", "-n", "0"), ("probe", "echo", "x", "-n", "many"), ("probe", "echo", "x", "--bogus"),
              ("--format", "xml", "probe", "echo", "x"), ("--color", "pink", "probe", "echo", "x"), ("--format",)]
)  # fmt: skip
def test_usage_errors_are_2_and_json_under_json(probe: Any, words: tuple[str, ...]) -> None:
    ran = probe(*words)
    assert ran.code == 2
    assert ran.err.startswith("Error: ")
    if "--format" not in words:
        assert json.loads(probe("--json", *words).err)["error"]["code"] in ("usage", "invalid")


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_everywhere(probe: Any, flag: str) -> None:
    assert "Usage: backendhub" in probe(flag).out
    group = probe("probe", flag).out
    assert group.index("Examples:") < group.index("Usage:")
    assert "budget" in group
    assert "secret" not in group
    command = probe("probe", "echo", flag)
    assert command.code == 0
    assert command.out.index("backendhub probe echo -40") < command.out.index("Options:")
    assert "More about it" in command.out
    assert probe("help", "probe", "echo").out == command.out
    assert "--help" in probe("probe", "budget", flag).out or "Commands:" in probe("probe", "budget", flag).out


def test_a_default_command_runs_where_no_name_is_given(probe: Any) -> None:
    assert probe("probe", "budget").out == "status\n"


def test_a_confirmation_is_never_asked_where_no_terminal_is(probe: Any) -> None:
    ran = probe("probe", "wipe")
    assert (ran.code, ran.out) == (2, "")
    assert "add --yes" in ran.err
    assert probe("probe", "wipe", "--yes").out == "wiped\n"


@pytest.mark.parametrize(
    ("answer", "code", "out"),
    [("y\n", 0, "wiped"), ("Yes\n", 0, "wiped"), ("n\n", 1, ""), ("\n", 1, ""), ("", 1, "")],
)
def test_a_confirmation_on_a_terminal(probe: Any, answer: str, code: int, out: str) -> None:
    ran = probe("probe", "wipe", stdin=answer, tty=True)
    assert (ran.code, ran.out.strip()) == (code, out)
    assert "Really? [y/N]" in ran.err


def test_version_and_nothing_at_all(probe: Any) -> None:
    assert probe("--version").out.startswith("backendhub ")
    assert probe().out == probe("--help").out


# -- helpers -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "found"),
    [(["3"], [3]), (["1,3-5", "4", "#9"], [1, 3, 4, 5, 9]), ([" 7 "], [7]), (["5-5"], [5])],
)
def test_ids(words: list[str], found: list[int]) -> None:
    assert kit.ids(words) == found


@pytest.mark.parametrize("word", ["", "x", "1,", "-3", "5-3", "1-1000000", "1.5", "²", "1" * 30])
def test_what_is_no_id(word: str) -> None:
    with pytest.raises(Invalid):
        kit.ids([word])


def test_ids_and_lines_from_stdin(cli: Any) -> None:
    ran = cli("task", "add", "-", stdin="one\n\n  two  \n")
    assert ran.out.splitlines() == ["Task added successfully (ID: 1)", "Task added successfully (ID: 2)"]
    assert cli("task", "done", "-", stdin="1\n2\n").code == 0


def test_files(tmp_path: Any) -> None:
    (tmp_path / "bom.txt").write_bytes(b"\xef\xbb\xbfa\r\nb")
    assert kit.read_file(str(tmp_path / "bom.txt")) == "a\r\nb"
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(Invalid, match="cannot be read"):
        kit.read_file(str(tmp_path / "binary"))
    with pytest.raises(Invalid, match="cannot be read"):
        kit.read_file(str(tmp_path))
    with pytest.raises(NotFound, match="no file"):
        kit.read_file(str(tmp_path / "none"))


def test_a_rehearsal_changes_nothing(hub: hubs.Hub) -> None:
    def work(db: Db) -> int:
        db.run("CREATE TABLE rehearsed (x TEXT)")
        return db.run("INSERT INTO rehearsed VALUES ('x')")

    assert hubs.rehearse(work) == 1
    assert hub.read(lambda db: db.value("SELECT count(*) FROM sqlite_master WHERE name = 'rehearsed'")) == 0
