"""The Hurl runner, and a blog as its users start it: two processes on one store, on each engine."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest

from backendhub.kit.db import connect

ENGINES = ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)]


@pytest.fixture(scope="session")
def hurl() -> ModuleType:
    """The module beside this file; tests are no package."""
    name = "backendhub_test_hurl"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name("hurl.py"))
        assert spec is not None and spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


@dataclass
class Blog:
    """A running blog."""

    url: str
    database: str
    numbers = count(1)

    def client(self, token: str | None = None) -> httpx.Client:
        """An HTTP client, of somebody or of nobody."""
        headers = {"Authorization": f"Token {token}"} if token else {}
        return httpx.Client(base_url=self.url, headers=headers, timeout=30)

    def register(self, name: str | None = None) -> str:
        """A new account's token."""
        name = name or f"user{next(self.numbers)}"
        user = {"username": name, "email": f"{name}@mail.example", "password": "correct horse"}
        with self.client() as http:
            answer = http.post("/api/users", json={"user": user})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["user"]["token"])

    def value(self, sql: str, **params: Any) -> Any:
        """What the store itself says."""
        store = connect(self.database)
        try:
            return store.read(lambda db: db.value(sql, **params))
        finally:
            store.close()


@contextmanager
def running(words: list[str], env: dict[str, str]) -> Iterator[str]:
    """A `backendhub serve …` with these variables: host and port of it."""
    with subprocess.Popen(
        [sys.executable, "-m", "backendhub", "serve", *words],
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            match = re.search(r"http://(\S+?:\d+)", process.stdout.readline())
            assert match is not None
            yield match[1]
        finally:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                raise


@pytest.fixture(scope="session")
def serving() -> Callable[..., AbstractContextManager[str]]:
    """`with serving(words, env) as address`: see `running`."""
    return running


@pytest.fixture(scope="module", params=ENGINES)
def blog(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    _schemas: Callable[[], Any],
    serving: Callable[..., AbstractContextManager[str]],
) -> Iterator[Blog]:
    """`backendhub serve blog --workers 2`; passwords are hashed as cheaply as is allowed."""
    folder = tmp_path_factory.mktemp("blog")
    database = str(folder / "blog.db") if request.param == "sqlite" else _schemas().make()
    env = {n: v for n, v in os.environ.items() if not n.startswith("BACKENDHUB_")}
    env |= {"HOME": str(folder), "BACKENDHUB_CONFIG": str(folder / "none.toml")}
    env |= {"BACKENDHUB_ACCOUNTS_HASH_MEMORY": "7168", "BACKENDHUB_ACCOUNTS_HASH_PASSES": "1"}
    env |= {"BACKENDHUB_ACCOUNTS_TRIES": "0"}  # all tests come from one address
    words = ["blog", "--port", "0", "--workers", "2", "--log-format", "none", "--database", database]
    with serving(words, env) as address:
        yield Blog(f"http://{address}", database)
