from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

KEY = {"Authorization": "Bearer sk_test_123"}


@pytest.fixture
def api(client: Callable[..., Any]) -> Any:
    """A client of `payment` with a key."""
    made = client("payment")
    made.headers.update(KEY)
    return made
