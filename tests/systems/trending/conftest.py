from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture
def tool() -> dict[str, Any]:
    return {"name": "trending", "server": {"BACKENDHUB_GITHUB_URL": "{url}"}, "environ": {}}
