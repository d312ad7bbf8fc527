"""`rest`: the system as a client sees it, with settings and data of a test's own."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from backendhub.kit import hub as hubs
from backendhub.kit.resources import service
from backendhub.systems.rest import config as configs

DATA: dict[str, Any] = {
    "posts": [
        {"id": 1, "title": "Alpha", "views": 10, "tags": ["x", "y"], "author": {"name": "ada"}},
        {"id": 2, "title": "beta", "views": 200, "author": {"name": "bob"}},
        {"id": 3, "title": "Gamma ray", "views": 30, "author": None},
    ],
    "comments": [
        {"id": 1, "body": "one", "postId": 1},
        {"id": 2, "body": "two", "postId": 1},
        {"id": 3, "body": "three", "postId": 2},
    ],
    "profile": {"name": "p"},
}


@pytest.fixture
def rest(hub: hubs.Hub, client: Callable[..., Any], tmp_path: Path) -> Callable[..., Any]:
    """`rest(data, dialect="v1", strict=True)`: a client of that data, served with these settings."""

    def start(data: Any = None, **settings: Any) -> Any:
        for name, value in settings.items():
            if isinstance(value, (dict, list)):
                path = tmp_path / f"{name}.json"
                path.write_text(json.dumps(value))
                value = path
            hub.settings.flags[f"rest.{name}"] = str(value).lower() if isinstance(value, bool) else str(value)
        config = configs.of(hub)
        hub.unit(service.load, config.set_name, DATA if data is None else data, config.rules)
        return client("rest")

    return start
