"""Three processes over one Redis, asked as Envoy's clients ask."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest


@pytest.mark.redis
def test_three_processes_admit_what_one_would(
    serve: Callable[..., Any], redis_url: str, tmp_path: Path
) -> None:
    file = tmp_path / "limits.yaml"
    file.write_text(
        "domain: d\ndescriptors:\n  - {key: a, rate_limit: {unit: day, requests_per_unit: 40, algorithm: sliding-log}}\n"
    )
    server = serve("rate-limiter", str(file), "--workers", "3", "--redis", redis_url, "--log-format", "none")
    asked = {"domain": "d", "descriptors": [{"entries": [{"key": "a", "value": "b"}]}]}

    def hammer(_: int) -> list[int]:
        with httpx.Client(base_url=server.url) as http:
            return [http.post("/json", json=asked).status_code for _ in range(20)]

    with ThreadPoolExecutor(6) as pool:
        codes = [code for found in pool.map(hammer, range(6)) for code in found]
    assert codes.count(200) == 40 and codes.count(429) == 80
