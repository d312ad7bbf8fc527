"""Signed addresses: of this server, and of the bucket itself."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest

from backendhub.kit import clock
from backendhub.kit.errors import Denied, Invalid, NotFound
from backendhub.kit.files import Files
from backendhub.kit.files.bucket import resign


def taken(files: Files, url: str, **changes: str) -> bytes:
    """What an address of this server gives."""
    parts = urlsplit(url)
    query = {k: v[0] for k, v in parse_qs(parts.query).items()} | changes
    id = changes.get("id") or parts.path.split("/")[2]
    file = files.admit(
        id,
        expires=query["expires"],
        signature=query["signature"],
        download=query.get("download") == "1",
    )
    return files.content(file)


def test_an_address_of_this_server(make: Callable[..., Files]) -> None:
    files = make()
    file = files.put(b"data", owner="ann", name="über uns.txt")
    other = files.put(b"other", owner="bob", name="x")
    url = files.url(file, expires=60)
    assert url.startswith(f"/_files/{file.id}/%C3%BCber%20uns.txt?expires=")
    assert taken(files, url) == b"data"
    late = str(int(clock.now().timestamp()) + 10**6)
    wrong = ({"expires": late}, {"id": other.id}, {"signature": ""}, {"signature": "é"}, {"download": "1"})
    for change in (*wrong, {"expires": "x"}, {"expires": "-1"}, {"expires": "²"}, {"expires": "9" * 30}):
        with pytest.raises(Denied):
            taken(files, url, **change)
    with clock.frozen(clock.now() + timedelta(seconds=61)), pytest.raises(Denied, match="expired"):
        taken(files, url)
    assert taken(files, files.url(file, download=True)) == b"data"
    with pytest.raises(Denied):
        taken(make(), url)  # another store has another secret
    files.delete(file.id)
    with pytest.raises(NotFound):
        taken(files, url)


@pytest.mark.parametrize("expires", [0, -1, 604_801])
def test_how_long_an_address_may_hold(make: Callable[..., Files], expires: int) -> None:
    files = make()
    with pytest.raises(Invalid):
        files.url(files.put(b"x", owner="ann", name="x"), expires=expires)


def test_an_address_of_the_bucket(
    make: Callable[..., Files], s3_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import httpx

    files = make(s3_url)
    page = files.put(b"<html><script>alert(1)</script>", owner="ann", name='a"b; ü.html', type="image/png")
    image = files.put(b"\x89PNG\r\n\x1a\n...", owner="ann", name="x.png", type="text/html")
    answer = httpx.get(files.url(page, expires=60))
    assert answer.content.startswith(b"<html>")
    assert answer.headers["content-type"] == "text/html"
    assert (
        answer.headers["content-disposition"]
        == "attachment; filename=\"a_b; _.html\"; filename*=UTF-8''a_b%3B%20%C3%BC.html"
    )
    shown = httpx.get(files.url(image))
    assert (shown.headers["content-type"], shown.headers["content-disposition"]) == (
        "image/png", 'inline; filename="x.png"'
    )  # fmt: skip
    assert httpx.get(files.url(image), headers={"Range": "bytes=1-3"}).content == b"PNG"
    assert httpx.get(files.url(image, download=True)).headers["content-disposition"].startswith("attachment")
    files.direct = False
    assert files.url(image).startswith("/_files/")
    files.direct = True
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    assert files.url(image).startswith("/_files/")


def test_the_signature_is_that_of_botocore(monkeypatch: pytest.MonkeyPatch) -> None:
    from botocore.auth import S3SigV4QueryAuth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    secret, base = (
        "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
        "https://s3.eu-central-1.amazonaws.com/bucket/a/b%20c-1",
    )
    more = {
        "response-content-disposition": "attachment; filename=\"x\"; filename*=UTF-8''%C3%BC~.txt",
        "response-content-type": "text/plain",
    }
    request = AWSRequest("GET", base, params=more)
    S3SigV4QueryAuth(Credentials("AKID", secret), "s3", "eu-central-1", expires=60).add_auth(request)
    theirs = dict(parse_qsl(urlsplit(request.url).query))
    plain = {k: v for k, v in theirs.items() if k.startswith("X-Amz-") and k != "X-Amz-Signature"}
    from urllib.parse import urlencode

    ours = resign(f"{base}?{urlencode(plain)}&X-Amz-Signature=0", more, "AKID", secret)
    assert ours is not None
    assert dict(parse_qsl(urlsplit(ours).query)) == theirs
    assert resign(f"{base}?{urlencode(plain)}", more, "OTHER", secret) is None
    assert resign(f"{base}?{urlencode(plain)}", more, "AKID", None) is None
