"""`/_files/…`: what a signed address gives, in whole and in parts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import urlsplit

import pytest

from backendhub.kit import clock
from backendhub.kit import hub as hubs
from backendhub.kit.files.backend import BLOCK

DATA = Random(1).randbytes(BLOCK * 3 + 5)
PNG = b"\x89PNG\r\n\x1a\n" + DATA


@pytest.fixture(params=["directory", "s3"])
def hub(hub: hubs.Hub, request: pytest.FixtureRequest, tmp_path: Path) -> hubs.Hub:
    """The hub, with files in each kind of place, their addresses on this server."""
    s3 = request.param == "s3"
    hub.settings.flags["files"] = request.getfixturevalue("s3_url") if s3 else str(tmp_path / "kept")
    hub.settings.flags["files.direct"] = "false"
    return hub


@pytest.fixture(params=[("todo",), ("todo", "task")], ids=["one", "several"])
def http(request: pytest.FixtureRequest, client: Callable[..., Any], hub: hubs.Hub) -> Any:
    return client(*request.param)


def test_a_file_comes_whole(hub: hubs.Hub, http: Any) -> None:
    file = hub.files.put(PNG, owner="ann", name="größe.png")
    url = hub.files.url(file, expires=60)
    answer = http.get(url)
    assert (answer.status_code, answer.content) == (200, PNG)
    headers = answer.headers
    assert headers["content-type"] == "image/png"
    assert headers["content-length"] == str(len(PNG))
    assert headers["accept-ranges"] == "bytes"
    assert headers["etag"] == f'"{file.sha256}"'
    assert (
        headers["content-disposition"]
        == "inline; filename=\"gr__e.png\"; filename*=UTF-8''gr%C3%B6%C3%9Fe.png"
    )
    assert headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in headers["content-security-policy"]
    assert headers["cache-control"] in ("private, max-age=60", "private, max-age=59")
    assert http.head(url).headers["content-length"] == str(len(PNG))
    assert (
        http.get(hub.files.url(file, download=True)).headers["content-disposition"].startswith("attachment")
    )
    assert http.get(url, headers={"If-None-Match": file.etag}).status_code == 304


def test_a_page_is_never_shown(hub: hubs.Hub, http: Any) -> None:
    file = hub.files.put(b"<html><script>alert(1)</script>", owner="ann", name="x.png", type="image/png")
    headers = http.get(hub.files.url(file)).headers
    assert headers["content-type"] == "text/html; charset=utf-8"
    assert headers["content-disposition"].startswith("attachment")


@pytest.mark.parametrize(
    ("field", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=0-", 0, len(PNG)),
        (f"bytes={BLOCK - 1}-{BLOCK}", BLOCK - 1, BLOCK + 1),
        ("bytes=-7", len(PNG) - 7, len(PNG)),
        (f"bytes=5-{10**12}", 5, len(PNG)),
        (f"bytes=-{10**12}", 0, len(PNG)),
    ],
)
def test_a_part(hub: hubs.Hub, http: Any, field: str, start: int, end: int) -> None:
    url = hub.files.url(hub.files.put(PNG, owner="ann", name="x.png"))
    answer = http.get(url, headers={"Range": field})
    assert (answer.status_code, answer.content) == (206, PNG[start:end])
    assert answer.headers["content-range"] == f"bytes {start}-{end - 1}/{len(PNG)}"
    assert answer.headers["content-length"] == str(end - start)


def test_several_parts(hub: hubs.Hub, http: Any) -> None:
    url = hub.files.url(hub.files.put(PNG, owner="ann", name="x.png"))
    answer = http.get(url, headers={"Range": f"bytes=0-3, {BLOCK}-{BLOCK + 9}, -2"})
    assert answer.status_code == 206
    kind, _, boundary = answer.headers["content-type"].partition("; boundary=")
    assert kind == "multipart/byteranges"
    parts = answer.content.split(f"--{boundary}".encode())
    bodies = [part.split(b"\r\n\r\n", 1)[1].removesuffix(b"\r\n") for part in parts[1:-1]]
    assert bodies == [PNG[:4], PNG[BLOCK : BLOCK + 10], PNG[-2:]]
    assert int(answer.headers["content-length"]) == len(answer.content)


def test_ranges_that_cannot_be(hub: hubs.Hub, http: Any) -> None:
    file = hub.files.put(PNG, owner="ann", name="x.png")
    url = hub.files.url(file)
    gone = http.get(url, headers={"Range": f"bytes={len(PNG)}-"})
    assert (gone.status_code, gone.headers["content-range"]) == (416, f"bytes */{len(PNG)}")
    for field in ("bytes=5-2", "bytes=x-", "lines=1-2", "bytes=" + ",".join(["0-1"] * 100)):
        assert http.get(url, headers={"Range": field}).status_code == 200
    current = {"Range": "bytes=0-1", "If-Range": file.etag}
    assert http.get(url, headers=current).status_code == 206
    assert http.get(url, headers={**current, "If-Range": '"other"'}).status_code == 200
    assert http.get(url, headers={**current, "If-Range": "Mon, 05 Jan 2015 09:00:00 GMT"}).status_code == 200
    assert http.get(url, headers={"If-Match": '"other"'}).status_code == 412
    empty = hub.files.url(hub.files.put(b"", owner="ann", name="empty"))
    assert http.get(empty).content == b""
    assert http.get(empty, headers={"Range": "bytes=0-"}).status_code == 416


def test_who_may_not(hub: hubs.Hub, http: Any) -> None:
    file = hub.files.put(b"data", owner="ann", name="x.txt")
    url = hub.files.url(file, expires=60)
    parts = urlsplit(url)
    assert http.get(parts.path).status_code == 403
    assert http.get(url.replace("signature=", "signature=x")).status_code == 403
    assert http.get(url + "&download=1").status_code == 403
    with clock.frozen(clock.now() + timedelta(minutes=2)):
        late = http.get(url)
    assert (late.status_code, late.json()["code"]) == (403, "denied")
    assert http.post(url).status_code == 405
    assert http.get("/_files/").status_code == 404
    hub.files.delete(file.id)
    assert http.get(url).status_code == 404


def test_the_log_keeps_no_signature(hub: hubs.Hub, client: Callable[..., Any]) -> None:
    noted: list[tuple[Any, ...]] = []
    http = client("todo")
    http.app.log.add = lambda *line: noted.append(line)
    http.app.observer = lambda *line: noted.append(line)
    url = hub.files.url(hub.files.put(b"data", owner="ann", name="x.txt"), expires=60)
    assert http.get(url).text == "data"
    assert len(noted) == 2
    signature = url.partition("signature=")[2]
    assert all("signature=***" in line[1] and signature not in str(line) for line in noted)
