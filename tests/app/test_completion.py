"""Completion scripts are static: what they answer is asked of a shell that cannot start the application."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from backendhub import registry


@pytest.fixture
def bash(cli: Any, tmp_path: Path) -> Callable[..., list[str]]:
    """What bash offers for the words typed so far, the last of them unfinished."""
    script = cli("completion", "bash")
    assert script.code == 0
    (tmp_path / "bash.sh").write_text(script.out)

    def complete(*words: str) -> list[str]:
        quoted = " ".join("'" + w + "'" for w in ("backendhub", *words))
        program = (
            f"source {tmp_path}/bash.sh; COMP_WORDS=({quoted}); COMP_CWORD={len(words)}; _backendhub; "
            'printf "%s\\n" "${COMPREPLY[@]}"; complete -p backendhub >/dev/null || echo not-registered'
        )
        done = subprocess.run(
            ["bash", "--norc", "-u", "-c", program],
            capture_output=True,
            text=True,
            timeout=30,
            env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},  # no backendhub, no Python of ours
            cwd=tmp_path,
        )
        assert done.stderr == ""
        return done.stdout.split()

    return complete


def test_the_first_word_is_a_command(bash: Any) -> None:
    found = bash("")
    assert {s.name for s in registry.SYSTEMS if s.has("cli")} <= set(found)
    assert {"serve", "undo", "completion"} <= set(found)
    assert bash("ta") == ["task"]


def test_sub_commands_and_aliases(bash: Any) -> None:
    assert {"add", "list", "mark-done", "done"} <= set(bash("task", ""))
    assert bash("task", "mark-") == ["mark-in-progress", "mark-done"]
    assert bash("db", "") == ["status", "migrate"]


def test_options_of_the_command_that_was_typed(bash: Any) -> None:
    found = bash("task", "add", "-")
    assert {"--priority", "-p", "--due", "--json", "--help"} <= set(found)
    assert "--port" not in found
    assert bash("serve", "--por") == ["--port"]
    assert "--version" in bash("--")


def test_options_and_their_values_do_not_hide_the_command(bash: Any) -> None:
    assert bash("--db", "x.db", "task", "mark-d") == ["mark-done"]
    assert "--due" in bash("task", "add", "-p", "H", "some text", "--d")


def test_values(bash: Any) -> None:
    assert bash("task", "list", "--format", "") == ["table", "plain", "json", "ndjson", "csv"]
    assert bash("--color", "a") == ["auto", "always"]
    assert bash("completion", "") == ["bash", "zsh", "fish"]
    assert bash("task", "list", "in") == ["in-progress"]
    assert "timeout" in bash("config", "get", "")
    assert set(bash("serve", "")) == {s.name for s in registry.SYSTEMS if s.has("api")}
    assert bash("task", "export", "--format", "ta") == []  # a format of its own, not ours


def test_files_where_nothing_is_known(bash: Any, tmp_path: Path) -> None:
    (tmp_path / "tasks.json").write_text("[]")
    assert bash("task", "import", "task") == ["tasks.json"]


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_the_other_shells_take_the_script(cli: Any, tmp_path: Path, shell: str) -> None:
    script = cli("completion", shell)
    assert script.code == 0
    assert "mark-in-progress" in script.out
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    (tmp_path / "script").write_text(script.out)
    done = subprocess.run([shell, "-n", str(tmp_path / "script")], capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stderr) == (0, "")


def test_fish_answers(cli: Any, tmp_path: Path) -> None:
    if shutil.which("fish") is None:
        pytest.skip("fish is not installed")
    (tmp_path / "b.fish").write_text(cli("completion", "fish").out)
    for line, expected in (
        ("backendhub ta", "task"),
        ("backendhub task mark-d", "mark-done"),
        ("backendhub --db x task add --du", "--due"),
    ):
        done = subprocess.run(
            ["fish", "--no-config", "-c", f"source {tmp_path}/b.fish; complete -C '{line}'"],
            capture_output=True,
            text=True,
            timeout=30,
        )
        assert expected in [row.split("\t")[0] for row in done.stdout.splitlines()], (line, done)


def test_an_unknown_shell(cli: Any) -> None:
    assert cli("completion", "tcsh").code == 2
