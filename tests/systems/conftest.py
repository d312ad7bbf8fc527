"""Shared by systems: those that ask other people's servers are run against a local one that replays; those with accounts
are served under `--auth token`.

A folder's conftest says which tool (`TOOL`), which variables point it at the server (`SERVER`, `{url}` stands for the
address) and which a run in this process has (`ENVIRON`).
"""

from __future__ import annotations

import contextlib
import importlib.util
import sys
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from threading import Event
from types import ModuleType
from typing import Any

import pytest

from backendhub import registry
from backendhub.app import main
from backendhub.kit import accounts, clock, hub, web
from backendhub.kit.accounts import api_keys
from backendhub.kit.accounts.passwords import Passwords
from backendhub.kit.db import Db, Store
from backendhub.kit.errors import Conflict
from backendhub.kit.settings import Settings

NOW = "2026-01-05T09:00:00Z"


@pytest.fixture(scope="session")
def replay() -> ModuleType:
    """The module beside this file; tests are no package."""
    name = "backendhub_test_replay"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name("replay.py"))
        assert spec is not None and spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


@pytest.fixture
def server(replay: Any) -> Iterator[Any]:
    with replay.serving() as running:
        yield running


@pytest.fixture
def tool() -> dict[str, Any]:
    """`name`, `server` and `environ` of the tool under test."""
    raise LookupError("a folder's conftest.py says which tool it tests")


@pytest.fixture
def spawn(replay: Any, server: Any, tool: dict[str, Any], tmp_path: Path) -> Callable[..., Any]:
    """Runs a command line as a process of its own, pointed at the server."""

    def run(
        *args: str, now: str = NOW, stdin: str = "", modules: bool = False, key: str | None = None, **env: str
    ) -> Any:
        known = {name: value.format(url=server.url) for name, value in tool["server"].items()}
        if key is not None:
            known["TMDB_API_KEY"] = key
        return replay.spawn(tmp_path, now, known | env, *args, stdin=stdin, modules=modules)

    return run


@pytest.fixture
def run(
    replay: Any, tool: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> Iterator[Callable[..., Any]]:
    """Runs the tool in this process, as a fresh run would; requests go to respx."""
    for name in ("GITHUB_TOKEN", "TMDB_TOKEN", "TMDB_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("BACKENDHUB_DATABASE", str(tmp_path / "hub.db"))
    monkeypatch.setenv("BACKENDHUB_CONFIG", str(tmp_path / "config.toml"))
    for name, value in tool["environ"].items():
        monkeypatch.setenv(name, value)

    def go(*args: str, now: str = NOW) -> Any:
        with clock.frozen(now):
            code = main.main([tool["name"], *args])
        hub.current().close()
        hub.install(None)
        seen = capsys.readouterr()
        return replay.Done(code, seen.out, seen.err)

    yield go
    hub.install(None)


# -- systems whose rows belong to accounts ------------------------------------------------------------------

PASSWORD = "correct horse battery"


@pytest.fixture
def owned(store: Store, request: pytest.FixtureRequest) -> hub.Hub:
    """A hub under `--auth token` on a store of each engine with the folder's system; hashing takes no time."""
    store.use(Path(str(request.path)).parent.name)
    made = hub.Hub(Settings({"auth": "token"}, environ={}), store=store)
    made.passwords = Passwords(memory_kib=8, passes=1)
    return made


@pytest.fixture
def served(owned: hub.Hub, request: pytest.FixtureRequest) -> Iterator[Callable[..., Any]]:
    """`served()`: the folder's system under --auth token; `served("none")`: without."""
    row = registry.find(Path(str(request.path)).parent.name)
    with ExitStack() as stack:

        def start(auth: str = "token") -> Any:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                from starlette.testclient import TestClient
            owned.settings.flags["auth"] = auth
            known = web.Authenticator(accounts.authenticate, accounts.SCHEMES) if auth == "token" else None
            application: Any = web.build_app([row], owned, single=True, log_format="none", auth=known)
            return stack.enter_context(TestClient(application, raise_server_exceptions=False))

        yield start


@pytest.fixture
def http(served: Callable[..., Any]) -> Any:
    """The folder's system under --auth token."""
    return served()


@pytest.fixture
def account(owned: hub.Hub) -> Callable[..., dict[str, str]]:
    """`account("ada", scopes=(…), roles=(…))`: the headers of a new account's key."""

    def make(name: str, *, scopes: tuple[str, ...] = (), roles: tuple[str, ...] = ()) -> dict[str, str]:
        user = owned.unit(accounts.add, email=f"{name}@example.com", password_hash="x", roles=roles)
        _, key = owned.unit(api_keys.make, user.id, name=name, scopes=list(scopes))
        return {"x-api-key": key}

    return make


@pytest.fixture
def registered(http: Any) -> Callable[[str], dict[str, str]]:
    """`registered("ada")`: the headers of somebody who came in through `/register`."""

    def make(name: str) -> dict[str, str]:
        done = http.post(
            "/register", json={"name": name, "email": f"{name}@example.com", "password": PASSWORD}
        )
        assert done.status_code == 201, done.text
        return {"authorization": f"Bearer {done.json()['token']}"}

    return make


@pytest.fixture
def race_removal(owned: hub.Hub) -> Callable[[Callable[[Db, str], object], str], int]:
    """`race_removal(add, count)`: somebody is known, is removed meanwhile, then adds a row; and the same with everything at
    once. How many of their rows are left in the end."""

    def one(add: Callable[[Db, str], object], id: str, overtaken: bool) -> None:
        known, gone = Event(), Event()

        def remove() -> None:
            known.wait(10)
            owned.unit(accounts.remove, id)
            gone.set()

        def write(db: Db) -> None:
            assert accounts.find(db, id) is not None
            known.set()
            if overtaken and db.dialect == "postgres":  # on SQLite nobody overtakes a writer
                assert gone.wait(10)
            add(db, id)

        with ThreadPoolExecutor(2) as pool:
            removed = pool.submit(remove)
            with contextlib.suppress(Conflict):
                owned.unit(write)
                assert not overtaken or owned.store.dialect == "sqlite"
            removed.result()

    def go(add: Callable[[Db, str], object], count: str) -> int:
        left = 0
        for n, overtaken in enumerate([True, *[False] * 5]):
            user = owned.unit(accounts.add, email=f"gone{n}@example.com")
            one(add, user.id, overtaken)
            with pytest.raises(Conflict):  # known by an earlier transaction, as in a route that awaits
                owned.unit(add, user.id)
            left += int(owned.read(lambda db, id=user.id: db.value(count, id=id)))
        return left

    return go
