"""The fetch guard: nothing private is reached, whatever the address says, resolves to or redirects to."""

from __future__ import annotations

import asyncio
import gzip
import io
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from backendhub.kit.errors import Invalid, Upstream
from backendhub.kit.fetch import Fetcher, Policy, Refused, check, kept
from backendhub.kit.fetch.addresses import is_public
from backendhub.kit.fetch.bodies import Inflater, TooMuch
from backendhub.kit.settings import Settings

HERE = Policy.of(Settings({"fetch.allow": "127.0.0.2"}, environ={}))
"""The test servers listen on 127.0.0.2, which is allowed; 127.0.0.1 stands for everything that is not."""


class Server:
    """Answers each connection with what `paths` says for its path: bytes, or a function of the socket."""

    def __init__(self, host: str, context: ssl.SSLContext | None = None) -> None:
        self.paths: dict[str, bytes | Callable[[socket.socket], None]] = {}
        self.requests: list[bytes] = []
        self.links: list[list[str]] = []
        """The paths that were asked for, connection by connection."""
        self.lasting = False
        self.context = context
        self.listener = socket.create_server((host, 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                link, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(link,), daemon=True).start()

    def _answer(self, link: socket.socket) -> None:
        with suppress(OSError), link:
            if self.context is not None:
                link = self.context.wrap_socket(link, server_side=True)
            self.links.append([])
            seen = self.links[-1]
            while self._one(link, seen) and self.lasting:
                pass

    def _one(self, link: socket.socket, seen: list[str]) -> bool:
        asked = b""
        while b"\r\n\r\n" not in asked and (data := link.recv(65536)):
            asked += data
        if not asked:
            return False
        head, _, body = asked.partition(b"\r\n\r\n")
        length = next(
            (int(h[16:]) for h in head.lower().split(b"\r\n") if h.startswith(b"content-length: ")), 0
        )
        while len(body) < length:
            body += link.recv(65536)
        self.requests.append(head + b"\r\n\r\n" + body)
        path = head.split()[1].decode()
        seen.append(path)
        answer = self.paths.get(path, b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
        if callable(answer):
            answer(link)
        else:
            link.sendall(answer)
        return True

    def close(self) -> None:
        self.listener.close()


def page(body: bytes = b"hello", status: str = "200 OK", **headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server("127.0.0.2")
    yield made
    made.close()


@pytest.fixture
def private() -> Iterator[Server]:
    """A server that must never be reached."""
    made = Server("127.0.0.1")
    made.paths["/"] = page(b"secret")
    yield made
    assert made.requests == []
    made.close()


def names(table: dict[str, list[list[str]]]) -> Callable[[str, int], list[str]]:
    """A resolver: the answers for each name one after the other, the last one from then on."""

    def resolve(host: str, port: int) -> list[str]:
        answers = table.get(host)
        if answers is None:
            with suppress(ValueError):
                return [str(ip_address(host))]
            raise socket.gaierror(-2, "Name or service not known")
        return answers.pop(0) if len(answers) > 1 else answers[0]

    return resolve


# -- addresses ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "0.0.0.0", "10.1.2.3", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.255.255.255", "168.63.129.16",
        "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.192", "192.0.2.1", "192.88.99.1", "192.168.0.1",
        "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
        "::", "::1", "::ffff:8.8.8.8", "::ffff:127.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::1", "100::1",
        "2001::1", "2001:db8::1", "2002:7f00:1::", "3fff::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fec0::1",
        "ff02::1", "5f00::1",
    ],
)  # fmt: skip
def test_special_addresses_are_not_public(text: str) -> None:
    assert not is_public(ip_address(text))


@pytest.mark.parametrize(
    "text",
    ["8.8.8.8", "1.1.1.1", "93.184.216.34", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "2a00:1450::1"],
)
def test_ordinary_addresses_are_public(text: str) -> None:
    assert is_public(ip_address(text))


# -- what is refused before anything is sent ---------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "", "example.org", "//example.org/", "ftp://example.org/", "file:///etc/passwd", "gopher://example.org/",
        "javascript:alert(1)", "http://", "http:///path", "http://user@example.org/", "http://user:pw@example.org/",
        "http://example.org:22/", "http://example.org:25/", "http://example.org:6379/", "http://example.org:0/",
        "http://example.org:99999/", "http://127.0.0.1/", "http://127.0.0.1:8000/", "http://[::1]/",
        "http://[::ffff:127.0.0.1]/", "http://[fe80::1%25eth0]/", "http://169.254.169.254/latest/meta-data/",
        "http://0/", "http://exam ple.org/", "http://example.org/\r\nX: y", "http://example.org\\@127.0.0.1/",
        "http://0177.0.0.1/", "http://[::1", "http://example.org/" + "x" * 5000, "http://\x00/",
    ],
)  # fmt: skip
def test_addresses_that_are_refused_as_written(url: str) -> None:
    if url == "http://0/":  # a name to us, which the resolver reads as 0.0.0.0
        with pytest.raises(Refused):
            Fetcher().send("GET", url)
        return
    with pytest.raises(Refused):
        check(url, Policy())
    with pytest.raises(Refused):
        Fetcher().send("GET", url)


@pytest.mark.parametrize(
    "url", ["https://example.org", "http://example.org:8080/x?y#z", "https://bücher.example/ä"]
)
def test_ordinary_addresses_pass(url: str) -> None:
    assert check(url, Policy()).host


@pytest.mark.parametrize("host", ["127.1", "0x7f.1", "2130706433", "0x7f000001", "localhost"])
def test_other_ways_to_write_a_private_address(host: str, private: Server) -> None:
    with pytest.raises(Refused):
        Fetcher().send("GET", f"http://{host}:{private.port}/")


def test_the_refusal_does_not_tell_where_a_name_leads(private: Server) -> None:
    fetcher = Fetcher(HERE, resolve=names({"intranet.example": [["10.0.0.7"]]}))
    with pytest.raises(Refused) as caught:
        fetcher.send("GET", "http://intranet.example/")
    assert "10.0.0.7" not in caught.value.message
    assert (caught.value.status, caught.value.code) == (422, "address_refused")


def test_settings_make_exceptions(server: Server, private: Server) -> None:
    server.paths["/"] = page()
    url = f"http://127.0.0.2:{server.port}/"
    with pytest.raises(Refused):
        Fetcher().send("GET", url)
    for text in ("127.0.0.2", "10.0.0.0/8, 127.0.0.2/31", "[::1] 127.0.0.2"):
        policy = Policy.of(Settings({"fetch.allow": text}, environ={}))
        assert Fetcher(policy).send("GET", url).body == b"hello"
    policy = Policy.of(Settings({"fetch.allow": "hooks.internal"}, environ={}))
    resolve = names({"hooks.internal": [["127.0.0.2"]], "other.internal": [["127.0.0.2"]]})
    assert Fetcher(policy, resolve=resolve).send("GET", f"http://Hooks.Internal:{server.port}/").ok
    with pytest.raises(Refused):
        Fetcher(policy, resolve=resolve).send("GET", f"http://other.internal:{server.port}/")
    assert Policy.of(Settings({"fetch.ports": "8000-8002"}, environ={})).ports == (range(8000, 8003),)
    ports = replace(HERE, ports=Policy.of(Settings({"fetch.ports": "80,443,1-9"}, environ={})).ports)
    with pytest.raises(Refused):
        Fetcher(ports).send("GET", url)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("fetch.allow", "10.0.0.0/33"),
        ("fetch.allow", "http://x"),
        ("fetch.ports", "0"),
        ("fetch.ports", "1-70000"),
    ],
)
def test_settings_that_cannot_be_read(name: str, text: str) -> None:
    with pytest.raises(Invalid):
        Policy.of(Settings({name: text}, environ={}))


# -- pinning -----------------------------------------------------------------------------------------------


def test_a_name_is_looked_up_once_and_the_judged_address_is_used(server: Server, private: Server) -> None:
    """Rebinding: the second answer of the name server is the private address."""
    server.paths["/"] = page()
    table = {"rebind.example": [["127.0.0.2"], ["127.0.0.1"]]}
    answer = Fetcher(HERE, resolve=names(table)).send("GET", f"http://rebind.example:{server.port}/")
    assert answer.body == b"hello"
    assert table == {"rebind.example": [["127.0.0.1"]]}  # asked exactly once
    assert f"host: rebind.example:{server.port}".encode() in server.requests[0].lower()


def test_a_redirect_to_the_same_name_is_judged_again(server: Server, private: Server) -> None:
    server.paths["/"] = page(status="302 Found", Location=f"http://rebind.example:{private.port}/")
    table = {"rebind.example": [["127.0.0.2"], ["127.0.0.1"]]}
    with pytest.raises(Refused):
        Fetcher(HERE, resolve=names(table)).send("GET", f"http://rebind.example:{server.port}/")


def test_only_the_public_ones_of_several_addresses_are_used(server: Server, private: Server) -> None:
    server.paths["/"] = page()
    resolve = names({"mixed.example": [["127.0.0.1", "::1", "127.0.0.2"]]})
    assert Fetcher(HERE, resolve=resolve).send("GET", f"http://mixed.example:{server.port}/").ok


def test_a_dead_address_is_followed_by_the_next(server: Server) -> None:
    server.paths["/"] = page()
    policy = Policy.of(Settings({"fetch.allow": "127.0.0.0/8"}, environ={}))
    resolve = names({"two.example": [["127.0.0.3", "127.0.0.2"]]})
    assert Fetcher(policy, resolve=resolve).send("GET", f"http://two.example:{server.port}/").ok


def test_proxies_of_the_environment_are_ignored(
    server: Server, private: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{private.port}")
    server.paths["/"] = page()
    assert Fetcher(HERE).send("GET", f"http://127.0.0.2:{server.port}/").ok


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for secure.example, with its key, in one file."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "secure.example")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("secure.example")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(private + made.public_bytes(pem))
    return path


def test_tls_is_with_the_name_and_not_with_the_address(certificate: Path) -> None:
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(certificate)
    asked: list[str | None] = []
    serving.sni_callback = lambda link, name, context: asked.append(name)
    server = Server("127.0.0.2", serving)
    server.paths["/"] = page()
    trusting = ssl.create_default_context(cafile=str(certificate))
    resolve = names({"secure.example": [["127.0.0.2"]], "other.example": [["127.0.0.2"]]})
    fetcher = Fetcher(HERE, resolve=resolve, context=trusting)
    assert fetcher.send("GET", f"https://secure.example:{server.port}/").ok
    assert asked == ["secure.example"]
    with pytest.raises(Upstream, match="certificate"):
        fetcher.send("GET", f"https://other.example:{server.port}/")
    server.close()


# -- connections that are kept -----------------------------------------------------------------------------


@pytest.fixture
def lasting(server: Server) -> Server:
    """A server that answers several requests on a connection."""
    server.lasting = True
    server.paths |= {
        "/": page(),
        "/other": page(b"other"),
        "/hang": lambda link: link.shutdown(socket.SHUT_RDWR),
    }
    return server


def asked(fetcher: Fetcher, *urls: str, method: str = "GET", **options: Any) -> list[Any]:
    """What the addresses answer one after the other in one event loop; the error for one that fails."""

    async def ask() -> list[Any]:
        found: list[Any] = []
        for url in urls:
            try:
                found.append((await fetcher.asend(method, url, **options)).body)
            except (Refused, Upstream) as error:
                found.append(error.__class__)
        return found

    return asyncio.run(ask())


def test_a_connection_serves_again_within_its_loop(lasting: Server) -> None:
    url, fetcher = f"http://127.0.0.2:{lasting.port}", Fetcher(HERE)
    assert asked(fetcher, f"{url}/", f"{url}/other", f"{url}/x") == [b"hello", b"other", b""]
    assert lasting.links == [["/", "/other", "/x"]]
    assert asked(fetcher, f"{url}/") == [b"hello"] == [fetcher.send("GET", f"{url}/").body]
    assert len(lasting.links) == 3  # another loop, and a thread's request


def test_a_kept_connection_is_used_only_where_the_guard_would_lead_now(
    lasting: Server, private: Server
) -> None:
    """The name leads elsewhere, then to a private address, then to where it led at first."""
    second = Server("127.0.0.3")
    second.listener.close()
    second.listener = socket.create_server(("127.0.0.3", lasting.port))
    second.paths["/"] = page(b"elsewhere")
    threading.Thread(target=second._serve, daemon=True).start()
    policy = Policy.of(Settings({"fetch.allow": "127.0.0.2,127.0.0.3"}, environ={}))
    table = {"moving.example": [["127.0.0.2"], ["127.0.0.3"], ["127.0.0.1"], ["127.0.0.2"]]}
    url = f"http://moving.example:{lasting.port}/"
    fetcher = Fetcher(policy, resolve=names(table))
    assert asked(fetcher, url, url, url, url) == [b"hello", b"elsewhere", Refused, b"hello"]
    assert lasting.links == [["/", "/"]]
    second.close()


def test_names_do_not_share_a_connection_nor_do_ports_and_schemes(lasting: Server) -> None:
    resolve = names({"a.example": [["127.0.0.2"]], "b.example": [["127.0.0.2"]]})
    urls = [f"http://{name}.example:{lasting.port}/" for name in "abab"]
    assert asked(Fetcher(HERE, resolve=resolve), *urls) == [b"hello"] * 4
    assert lasting.links == [["/", "/"], ["/", "/"]]


def test_what_a_trusted_request_opened_is_not_there_for_others(private: Server) -> None:
    private.lasting = True
    url = f"http://127.0.0.1:{private.port}/"
    fetcher = Fetcher()

    async def ask() -> None:
        assert (await fetcher.asend("GET", url, trusted=True)).ok
        with pytest.raises(Refused):
            await fetcher.asend("GET", url)

    asyncio.run(ask())
    assert len(private.requests) == 1
    private.requests.clear()


@pytest.mark.parametrize(
    "answer",
    [
        page() + page(b"poison"),
        page(Connection="close"),
        b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    ],
    ids=["more", "close", "old"],
)
def test_what_may_not_be_used_again_is_closed(lasting: Server, answer: bytes) -> None:
    lasting.paths["/"] = answer
    url = f"http://127.0.0.2:{lasting.port}"
    assert asked(Fetcher(HERE), f"{url}/", f"{url}/other") == [b"hello", b"other"]
    assert lasting.links == [["/"], ["/other"]]


def test_an_answer_that_was_not_read_ends_its_connection(lasting: Server) -> None:
    url = f"http://127.0.0.2:{lasting.port}/"
    assert asked(Fetcher(HERE), url, url, read=False) == [b"", b""]
    assert lasting.links == [["/"], ["/"]]


@pytest.mark.parametrize(
    ("method", "options", "expected"),
    [("GET", {}, 3), ("POST", {"content": b"x"}, 2), ("POST", {"content": b"x", "repeatable": True}, 3)],
)
def test_a_kept_connection_that_dies_over_a_request(
    lasting: Server, method: str, options: dict[str, Any], expected: int
) -> None:
    """It is sent once more where that is no harm: the server may have acted on it."""
    url = f"http://127.0.0.2:{lasting.port}"
    found = asked(Fetcher(HERE), f"{url}/", f"{url}/hang", method=method, **options)
    assert found == [b"hello", Upstream] and len(lasting.requests) == expected


def test_idle_connections_are_few_and_end(lasting: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "MOST", 3)
    monkeypatch.setattr(kept, "MOST_AT_ONE", 2)
    monkeypatch.setattr(kept, "IDLE_S", 0.1)
    hosts = [f"n{n}.example" for n in range(5)]
    fetcher = Fetcher(HERE, resolve=names({host: [["127.0.0.2"]] for host in hosts}))

    async def ask() -> None:
        pool = fetcher._kept()
        await asyncio.gather(*(fetcher.asend("GET", f"http://n0.example:{lasting.port}/") for _ in range(6)))
        assert len(pool._idle) == 2
        for host in hosts:
            await fetcher.asend("GET", f"http://{host}:{lasting.port}/")
        assert len(pool._idle) == 3
        await asyncio.sleep(0.25)
        assert not pool._idle

    asyncio.run(ask())


# -- redirects ---------------------------------------------------------------------------------------------


def test_redirects_are_followed_and_counted(server: Server) -> None:
    for i in range(7):
        server.paths[f"/{i}"] = page(status="302 Found", Location=f"/{i + 1}")
    server.paths["/7"] = page(b"end")
    base = f"http://127.0.0.2:{server.port}"
    answer = Fetcher(HERE).send("GET", f"{base}/2")
    assert (answer.body, answer.url) == (b"end", f"{base}/7")
    assert answer.hops == tuple(f"{base}/{i}" for i in range(2, 7))
    with pytest.raises(Upstream, match="more than 5"):
        Fetcher(HERE).send("GET", f"{base}/0")
    assert Fetcher(HERE).send("GET", f"{base}/0", redirects=0).status == 302


@pytest.mark.parametrize(
    "place",
    ["http://127.0.0.1:{port}/", "file:///etc/passwd", "http://x:y@127.0.0.2/", "//[::1]/", "http://[bad/"],
)
def test_every_hop_is_judged(server: Server, private: Server, place: str) -> None:
    server.paths["/"] = page(status="301 Moved", Location=place.format(port=private.port))
    with pytest.raises(Refused):
        Fetcher(HERE).send("GET", f"http://127.0.0.2:{server.port}/")


def test_a_post_follows_nothing_unless_told(server: Server) -> None:
    server.paths["/"] = page(status="307 Temporary", Location="/next")
    server.paths["/see"] = page(status="303 See Other", Location="/next")
    server.paths["/next"] = page(b"done")
    base = f"http://127.0.0.2:{server.port}"
    assert Fetcher(HERE).send("POST", f"{base}/", content=b"data").status == 307
    assert Fetcher(HERE).send("POST", f"{base}/", content=b"data", redirects=2).body == b"done"
    assert server.requests[-1].startswith(b"POST /next")
    assert server.requests[-1].endswith(b"data")
    assert Fetcher(HERE).send("POST", f"{base}/see", content=b"data", redirects=2).body == b"done"
    assert server.requests[-1].startswith(b"GET /next")
    assert not server.requests[-1].endswith(b"data")


def test_secrets_stay_with_their_origin(server: Server) -> None:
    other = Server("127.0.0.2")
    other.paths["/"] = page()
    server.paths["/"] = page(status="302 Found", Location=f"http://127.0.0.2:{other.port}/")
    server.paths["/same"] = page(status="302 Found", Location="/end")
    server.paths["/end"] = page()
    secrets = {"Authorization": "Bearer s3cret", "X-Api-Key": "s3cret", "Cookie": "a=s3cret"}
    base = f"http://127.0.0.2:{server.port}"
    assert Fetcher(HERE).send("GET", f"{base}/", headers=secrets).ok
    assert b"s3cret" in server.requests[0]
    assert b"s3cret" not in other.requests[0]
    assert Fetcher(HERE).send("GET", f"{base}/same", headers=secrets).ok
    assert server.requests[-1].count(b"s3cret") == 3
    other.close()


# -- bounds ------------------------------------------------------------------------------------------------


def forever(link: socket.socket, piece: bytes = b"x" * 65536, pause: float = 0) -> None:
    while True:
        link.sendall(b"%x\r\n%b\r\n" % (len(piece), piece))
        time.sleep(pause)


def chunked(then: Callable[[socket.socket], None], **headers: str) -> Callable[[socket.socket], None]:
    lines = [
        "HTTP/1.1 200 OK",
        "Transfer-Encoding: chunked",
        *(f"{k.replace('_', '-')}: {v}" for k, v in headers.items()),
    ]

    def answer(link: socket.socket) -> None:
        link.sendall("\r\n".join(lines).encode() + b"\r\n\r\n")
        then(link)

    return answer


def test_a_body_without_end_is_left(server: Server) -> None:
    server.paths["/"] = chunked(forever)
    with pytest.raises(TooMuch):
        Fetcher(HERE).send("GET", f"http://127.0.0.2:{server.port}/", max_bytes=1 << 20)


def test_a_declared_size_is_believed_if_it_is_too_large(server: Server) -> None:
    server.paths["/"] = b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n"
    start = time.perf_counter()
    with pytest.raises(TooMuch):
        Fetcher(HERE).send("GET", f"http://127.0.0.2:{server.port}/")
    assert Fetcher(HERE).send("HEAD", f"http://127.0.0.2:{server.port}/").status == 200
    assert Fetcher(HERE).send("GET", f"http://127.0.0.2:{server.port}/", read=False).body == b""
    assert time.perf_counter() - start < 2


def test_a_server_that_drips_ends_too(server: Server) -> None:
    server.paths["/"] = chunked(lambda link: forever(link, b"x", 0.02))
    start = time.perf_counter()
    with pytest.raises(Upstream, match=r"within 0\.3 s"):
        Fetcher(HERE).send("GET", f"http://127.0.0.2:{server.port}/", total=0.3)
    assert time.perf_counter() - start < 2


def test_a_server_that_says_nothing_ends(server: Server) -> None:
    server.paths["/"] = lambda link: time.sleep(5)
    with pytest.raises(Upstream, match=r"no answer within 0\.2 s"):
        Fetcher(HERE).send("GET", f"http://127.0.0.2:{server.port}/", idle=0.2)


def test_a_name_server_that_says_nothing_ends() -> None:
    def resolve(host: str, port: int) -> list[str]:
        time.sleep(1)
        return ["127.0.0.2"]

    start = time.perf_counter()
    with pytest.raises(Upstream):
        Fetcher(HERE, resolve=resolve).send("GET", "http://slow.example/", idle=0.2)
    with pytest.raises(Upstream):
        Fetcher(HERE, resolve=resolve).send("GET", "http://slow.example/", total=0.2)
    assert time.perf_counter() - start < 0.9


def test_decompression_is_bounded(server: Server) -> None:
    bomb = gzip.compress(b"\0" * (64 << 20))
    assert len(bomb) < 70_000
    server.paths["/"] = page(bomb, Content_Encoding="gzip")
    import tracemalloc

    tracemalloc.start()
    with pytest.raises(TooMuch):
        Fetcher(HERE).send("GET", f"http://127.0.0.2:{server.port}/", max_bytes=1 << 20)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 << 20


@pytest.mark.parametrize("name", ["gzip", "x-gzip", "deflate", "raw", "two", "identity"])
def test_encodings(server: Server, name: str) -> None:
    data = b"hello world " * 20_000
    raw = zlib.compressobj(wbits=-15)
    bodies = {
        "gzip": gzip.compress(data),
        "x-gzip": gzip.compress(data) + b"\0\0\0",
        "deflate": zlib.compress(data),
        "raw": raw.compress(data) + raw.flush(),
        "two": gzip.compress(data[:100]) + gzip.compress(data[100:]),
        "identity": data,
    }
    encoding = {"raw": "deflate", "two": "gzip"}.get(name, name)
    server.paths["/"] = page(bodies[name], Content_Encoding=encoding)
    into = io.BytesIO()
    assert Fetcher(HERE).send("GET", f"http://127.0.0.2:{server.port}/").body == data
    assert Fetcher(HERE).send("GET", f"http://127.0.0.2:{server.port}/", into=into).body == b""
    assert into.getvalue() == data


@pytest.mark.parametrize(
    ("encoding", "body"), [("br", b"x"), ("gzip, gzip", b"x"), ("gzip", b"no"), ("deflate", b"no")]
)
def test_encodings_that_cannot_be_read(server: Server, encoding: str, body: bytes) -> None:
    server.paths["/"] = page(body, Content_Encoding=encoding)
    with pytest.raises(Upstream):
        Fetcher(HERE).send("GET", f"http://127.0.0.2:{server.port}/")


def test_compressed_data_that_ends_early_is_damaged() -> None:
    inflater = Inflater("gzip", 1 << 20, "host")
    list(inflater.feed(gzip.compress(b"hello" * 1000)[:-4]))
    with pytest.raises(Upstream, match="too early"):
        inflater.close()


def test_only_wanted_types_are_read(server: Server) -> None:
    server.paths["/png"] = page(b"\x89PNG", Content_Type="Image/PNG; x=y")
    server.paths["/html"] = page(b"<p>", Content_Type="text/html")
    server.paths["/none"] = page(b"?")
    server.paths["/gone"] = page(b"<p>gone", "410 Gone", Content_Type="text/html")
    base = f"http://127.0.0.2:{server.port}"
    assert Fetcher(HERE).send("GET", f"{base}/png", accept=("image/*",)).body == b"\x89PNG"
    assert b"accept: image/*\r\n" in server.requests[-1].lower()
    for path in ("html", "none"):
        with pytest.raises(Upstream, match="not image"):
            Fetcher(HERE).send("GET", f"{base}/{path}", accept=("image/*",))
    assert Fetcher(HERE).send("GET", f"{base}/gone", accept=("image/*",)).status == 410


# -- faces -------------------------------------------------------------------------------------------------


def test_both_faces(server: Server) -> None:
    server.paths["/"] = page('{"a": "ü"}'.encode("latin-1"), Content_Type="application/json; charset=latin-1")
    url = f"http://127.0.0.2:{server.port}/"

    async def ask() -> Any:
        with pytest.raises(RuntimeError, match="await"):
            Fetcher(HERE).send("GET", url)
        return await asyncio.gather(*(Fetcher(HERE).asend("GET", url) for _ in range(20)))

    answers = asyncio.run(ask())
    assert {a.text for a in answers} == {'{"a": "ü"}'}
    assert answers[0].media_type == "application/json"
    with pytest.raises(Upstream):
        answers[0].json()


def test_headers_that_cannot_be_sent(server: Server) -> None:
    url = f"http://127.0.0.2:{server.port}/"
    for headers in (
        {"Host": "other"},
        {"X": "a\r\nY: b"},
        {"X\r\nY": "b"},
        {"X": "\ud800"},
        {"Content-Length": "9"},
    ):
        with pytest.raises(Invalid):
            Fetcher(HERE).send("GET", url, headers=headers)
    assert server.requests == []


def test_failures_are_told_without_a_traceback(server: Server) -> None:
    server.paths["/"] = b"nonsense"
    server.paths["/cut"] = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"
    for path in ("/", "/cut"):
        with pytest.raises(Upstream):
            Fetcher(HERE).send("GET", f"http://127.0.0.2:{server.port}{path}")
    server.close()
    time.sleep(0.01)
    with pytest.raises(Upstream, match="looked up"):
        Fetcher(HERE, resolve=names({})).send("GET", "http://absent.example/")
    with pytest.raises(Upstream, match="switched off"):
        Fetcher(HERE, offline=True).send("GET", "http://absent.example/")


def test_what_the_operator_wrote_is_trusted_and_nothing_else(server: Server, private: Server) -> None:
    server.paths["/ok"] = page()
    server.paths["/away"] = page(status="302 Found", Location=f"http://127.0.0.1:{private.port}/")
    base = f"http://user:pw%20d@127.0.0.2:{server.port}"
    assert Fetcher().send("GET", f"{base}/ok", trusted=True).ok
    assert b"authorization: Basic dXNlcjpwdyBk" in server.requests[0]
    with pytest.raises(Refused):
        Fetcher().send("GET", f"{base}/away", trusted=True)
