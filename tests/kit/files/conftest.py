from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from backendhub.kit.db import Store, connect
from backendhub.kit.files import Files
from backendhub.kit.files.places import open_backend


@pytest.fixture(params=["directory", "s3"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A place for files, once in a directory and once in a bucket."""
    if request.param == "directory":
        return str(tmp_path / "kept")
    return str(request.getfixturevalue("s3_url"))


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Files]]:
    """Makes a `Files` on a store; in memory where none is given."""
    stores: list[Store] = []

    def get(url: str | None = None, store: Store | None = None, **options: Any) -> Files:
        if store is None:
            store = connect(":memory:")
            stores.append(store)
        return Files(store, open_backend(url or str(tmp_path / "kept")), spool=tmp_path / "spool", **options)

    yield get
    for store in stores:
        store.close()


@pytest.fixture
def files(url: str, make: Callable[..., Files]) -> Files:
    """Files in each kind of place."""
    return make(url)
