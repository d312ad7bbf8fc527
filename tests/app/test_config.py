from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from backendhub import registry


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The config file of the commands under test."""
    return tmp_path / "config" / "backendhub" / "config.toml"


@pytest.fixture
def secret(monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a setting that is a secret."""
    option = registry.Option("probe.token", "a key", secret=True)
    system = registry.System("probe", "everyday", "Probe", "", settings=(option,))
    monkeypatch.setattr(registry, "SYSTEMS", (*registry.SYSTEMS, system))
    return option.name


def test_every_value_says_where_it_comes_from(cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKENDHUB_TIMEOUT", "3")
    assert cli("config", "set", "offline", "true").code == 0
    rows = {row["name"]: row for row in json.loads(cli("config", "--json", "--color", "never").out)}
    assert (rows["color"]["value"], rows["color"]["source"]) == ("never", "flag")
    assert (rows["timeout"]["value"], rows["timeout"]["source"]) == ("3", "environment (BACKENDHUB_TIMEOUT)")
    assert (rows["offline"]["value"], rows["offline"]["source"]) == ("true", "file")
    assert rows["database"]["source"] == "default"
    assert all(row["help"] for row in rows.values())
    assert cli("config", "list", "--json").out == cli("config", "--json").out


def test_get_set_unset(cli: Any, file: Path) -> None:
    assert cli("config", "get", "format").code == 3
    ran = cli("config", "set", "format", "csv")
    assert (ran.code, ran.out) == (0, "")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert cli("config", "get", "format", "--format", "plain").out == "csv\n"
    assert cli("config", "unset", "format").code == 0
    assert cli("config", "unset", "format").code == 3
    assert cli("config", "path").out == f"{file}\n"


def test_a_value_that_does_not_decide_is_said(cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKENDHUB_TIMEOUT", "3")
    assert "environment (BACKENDHUB_TIMEOUT) still decides" in cli("config", "set", "timeout", "9").err


@pytest.mark.parametrize(
    ("name", "value"), [("format", "xml"), ("color", "pink"), ("offline", "maybe"), ("timeout", "soon"), ("timeout", "-1"), ("timeout", "nan"), ("database", "a\nb")]
)  # fmt: skip
def test_what_would_break_every_command_is_refused(cli: Any, file: Path, name: str, value: str) -> None:
    assert cli("config", "set", name, value).code == 2
    assert not file.exists()
    assert cli("config").code == 0


@pytest.mark.parametrize("verb", [("get",), ("set",)])
def test_unknown_names_are_refused_with_the_nearest(cli: Any, verb: tuple[str]) -> None:
    ran = cli("config", *verb, "colour", *(["x"] if verb == ("set",) else []))
    assert ran.code == 2
    assert "did you mean `color`?" in ran.err


def test_a_secret_is_never_taken_from_the_command_line(cli: Any, file: Path, secret: str) -> None:
    ran = cli("config", "set", secret, "hunter2-hunter2")
    assert (ran.code, file.exists()) == (2, False)
    assert "hunter2" not in ran.err + ran.out


@pytest.mark.parametrize("words", [(), ("-",)])
def test_a_secret_is_read_from_stdin_and_shown_masked(
    cli: Any, file: Path, secret: str, words: tuple[str, ...]
) -> None:
    ran = cli("config", "set", secret, *words, stdin="hunter2-hunter2\n")
    assert ran.code == 0
    assert "hunter2" not in ran.err + ran.out
    assert 'token = "hunter2-hunter2"' in file.read_text()
    assert cli("config", "get", secret).out == "…ter2\n"
    assert cli("config", "get", secret, "--reveal").out == "hunter2-hunter2\n"
    assert "hunter2" not in cli("config").out
    assert cli("config", "set", secret, stdin="\n").code == 2


def test_a_broken_file_is_one_line(cli: Any, file: Path) -> None:
    file.parent.mkdir(parents=True)
    file.write_text("= nonsense")
    ran = cli("config")
    assert ran.code == 2
    assert "is not valid TOML" in ran.err
    assert len(ran.err.splitlines()) == 2
