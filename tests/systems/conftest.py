"""For tools that ask other people's servers: a local server that replays, and the tool run against it.

A folder's conftest says which tool (`TOOL`), which variables point it at the server (`SERVER`, `{url}` stands for the
address) and which a run in this process has (`ENVIRON`).
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from backendhub.app import main
from backendhub.kit import clock, hub

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
