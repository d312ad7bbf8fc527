"""`backendhub mail`, as it is typed."""

from __future__ import annotations

import json
from typing import Any

import pytest


def test_a_mail_from_the_terminal(cli: Any) -> None:
    made = json.loads(cli("mail", "test", "Ann <ann@example.org>", "--json").out)
    assert (made["to"], made["state"], made["error"]) == ("Ann <ann@example.org>", "kept", None)
    (row,) = json.loads(cli("mail", "list", "--json").out)
    assert row == made
    shown = json.loads(cli("mail", "show", row["id"], "--json").out)
    assert shown["headers"]["To"] == "Ann <ann@example.org>"
    assert "Message-ID: <" + row["id"] in cli("mail", "source", row["id"]).out
    assert cli("mail", "remove", row["id"]).code == 0
    assert json.loads(cli("mail", "list", "--json").out) == []


def test_what_the_server_says_is_told(cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKENDHUB_MAIL_URL", "smtp://127.0.0.1:1")
    made = json.loads(cli("mail", "test", "ann@example.org", "--json").out)
    assert made["state"] == "queued" and "Error connecting to 127.0.0.1" in made["error"]


@pytest.mark.parametrize(
    ("words", "code"), [(("show", "x"), 3), (("remove", "x"), 3), (("test", "nobody"), 2)]
)
def test_what_cannot_be_done_is_one_clear_line(cli: Any, words: tuple[str, ...], code: int) -> None:
    ran = cli("mail", *words)
    assert ran.code == code and "Traceback" not in ran.err
