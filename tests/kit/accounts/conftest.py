"""Accounts on both engines, with hashing that takes no time."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from backendhub.kit.accounts.passwords import Passwords
from backendhub.kit.db import Store
from backendhub.kit.hub import Hub
from backendhub.kit.settings import Settings

SYSTEM = "accounts"


@pytest.fixture
def passwords() -> Passwords:
    """Argon2 at the least it can do."""
    return Passwords(memory_kib=8, passes=1)


@pytest.fixture
def accounts_hub(store: Store, passwords: Passwords) -> Hub:
    """A hub on a store of each engine."""
    store.use("accounts")
    hub = Hub(Settings(environ={}), store=store)
    hub.passwords = passwords
    return hub


@pytest.fixture
def ask(accounts_hub: Hub) -> Callable[..., Any]:
    """`ask(authorization=…, method="POST")`: a request as far as authentication looks at it."""

    def make(method: str = "GET", **headers: str) -> Any:
        raw = {k.replace("_", "-").encode(): v.encode("latin-1") for k, v in headers.items()}
        found = SimpleNamespace(method=method, headers=raw, hub=accounts_hub)
        found.header = lambda name: raw[name.encode()].decode("latin-1") if name.encode() in raw else None
        return found

    return make
