"""The command line as `run(…)`, in a folder and a store of the test's own, on 20 August 2026."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from backendhub.kit import accounts, clock
from backendhub.kit.db import Db

NOW = "2026-08-20T09:00:00Z"


@pytest.fixture(autouse=True)
def _still() -> Iterator[None]:
    with clock.frozen(NOW):
        yield


@pytest.fixture
def run(cli: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Runs `backendhub expense …` in this process."""
    monkeypatch.chdir(tmp_path)
    return lambda *args: cli("expense", *args)


@pytest.fixture
def owners(db: Db) -> None:
    """Accounts `ann` and `bob`, whose books a test writes into."""
    for who in ("ann", "bob"):
        accounts.add(db, id=who, email=f"{who}@example.com")
