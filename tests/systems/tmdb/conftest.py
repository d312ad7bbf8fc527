from __future__ import annotations

from typing import Any

import pytest

KEY = "0123456789abcdef0123456789ABCDEF"
TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJhdWQiOiJ4In0.c2lnbmF0dXJl-_"


@pytest.fixture
def tool() -> dict[str, Any]:
    server = {"BACKENDHUB_TMDB_URL": "{url}", "TMDB_API_KEY": KEY}
    return {"name": "tmdb", "server": server, "environ": {"TMDB_TOKEN": TOKEN}}
