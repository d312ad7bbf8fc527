from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture
def tool() -> dict[str, Any]:
    return {"name": "github-activity", "server": {"BACKENDHUB_GITHUB_URL": "{url}"}, "environ": {}}
