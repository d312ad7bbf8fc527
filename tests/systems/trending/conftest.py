from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from backendhub.app import main
from backendhub.kit import hub

NOW = "2026-01-05T09:00:00Z"


def _replay() -> Any:
    """Loads the helper beside the systems' folders: tests are no package."""
    name = "backendhub_test_replay"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).parents[1] / "replay.py")
        assert spec is not None and spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


@pytest.fixture
def replay() -> Any:
    return _replay()


@pytest.fixture
def server(replay: Any) -> Iterator[Any]:
    with replay.serving() as running:
        yield running


@pytest.fixture
def spawn(replay: Any, server: Any, tmp_path: Path) -> Callable[..., Any]:
    def run(*args: str, now: str = NOW, **env: str) -> Any:
        env = {"BACKENDHUB_GITHUB_URL": server.url, **env}
        return replay.spawn(tmp_path, now, env, *args)

    return run


@pytest.fixture
def run(
    replay: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> Iterator[Callable[..., Any]]:
    """Runs a command line in this process, as a fresh run would; requests go to respx."""
    for name in ("GITHUB_TOKEN", "BACKENDHUB_GITHUB_TOKEN", "BACKENDHUB_GITHUB_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("BACKENDHUB_DATABASE", str(tmp_path / "hub.db"))
    monkeypatch.setenv("BACKENDHUB_CONFIG", str(tmp_path / "config.toml"))
    from backendhub.kit import clock

    def go(*args: str, now: str = NOW) -> Any:
        with clock.frozen(now):
            code = main.main(["trending", *args])
        hub.current().close()
        hub.install(None)
        seen = capsys.readouterr()
        return replay.Done(code, seen.out, seen.err)

    yield go
    hub.install(None)
