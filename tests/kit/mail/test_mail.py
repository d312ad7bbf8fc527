"""Mail from the transaction to a real SMTP server, and to those who look at it."""

from __future__ import annotations

import asyncio
import socket
import ssl
import subprocess
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest

from backendhub.kit import hub as hubs
from backendhub.kit import jobs, mail
from backendhub.kit.db import Db, Store, connect
from backendhub.kit.errors import Invalid, NotFound
from backendhub.kit.jobs.declared import Modules
from backendhub.kit.jobs.worker import Worker
from backendhub.kit.mail import templates
from backendhub.kit.settings import Settings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from aiosmtpd.controller import Controller
    from aiosmtpd.smtp import AuthResult, LoginPassword

pytestmark = pytest.mark.filterwarnings("ignore")  # aiosmtpd warns of what these tests want
SYSTEM = "mail"
ANN = {"to": "ann@example.org", "subject": "Hi", "text": "Hello"}


class Server:
    """An SMTP server that keeps what it gets and answers as told."""

    def __init__(self, **options: Any) -> None:
        self.got: list[tuple[str, list[str], bytes]] = []
        self.refuse: dict[str, str] = {}
        self.answer = "250 OK"
        self.logins: list[tuple[bytes, bytes]] = []
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.controller = Controller(self, hostname="127.0.0.1", port=self.port, ready_timeout=20, **options)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.controller.start()

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        if address in self.refuse:
            return self.refuse[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        if self.answer.startswith("250"):
            self.got.append((envelope.mail_from, list(envelope.rcpt_tos), envelope.content))
        return self.answer

    def login(self, server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> Any:
        assert isinstance(data, LoginPassword)
        self.logins.append((data.login, data.password))
        return AuthResult(success=data.password == b"right", handled=False)

    def stop(self) -> None:
        if self.controller.server is not None:
            self.controller.stop()
            self.controller.server = None


@pytest.fixture
def smtp() -> Iterator[Server]:
    server = Server()
    yield server
    server.stop()


@pytest.fixture
def made(store: Store) -> Store:
    store.use("mail")
    return store


@pytest.fixture
def run(made: Store) -> Iterator[Callable[..., None]]:
    """`run(url)`: sends what is due through that server."""

    def go(url: str | None = None) -> None:
        hub = hubs.Hub(Settings({"mail.url": url} if url else {}), store=made)
        worker = Worker(hub, Modules({"mail": "backendhub.kit.mail.jobs"}), once=True)
        asyncio.run(asyncio.wait_for(worker.run(), 30))

    hubs.install(hubs.Hub(Settings({"mail.from": "Shop <shop@example.org>"}), store=made))
    yield go
    hubs.install(None)


def put(store: Store, **about: Any) -> str:
    id = store.unit(mail.send, **(ANN | about))
    assert id is not None
    return id


def test_a_mail_reaches_the_server(made: Store, smtp: Server, run: Any) -> None:
    id = put(made, html="<b>Grüße</b>", cc=["bob@example.org"], bcc=["eve@example.org"])
    run(f"smtp://127.0.0.1:{smtp.port}")
    ((sender, recipients, content),) = smtp.got
    message: Any = message_from_bytes(content, policy=policy.default)
    assert (sender, recipients) == (
        "shop@example.org",
        ["ann@example.org", "bob@example.org", "eve@example.org"],
    )
    assert message["message-id"] == f"<{id}@example.org>"
    assert message.get_body(("html",)).get_content() == "<b>Grüße</b>\r\n"
    assert b"eve" not in content
    sent = made.read(mail.get, id)
    assert (sent.state, sent.error) == ("sent", None) and sent.sent_at is not None
    run(f"smtp://127.0.0.1:{smtp.port}")
    assert len(smtp.got) == 1


def test_a_mail_whose_transaction_fails_is_not_sent(made: Store, smtp: Server, run: Any) -> None:
    def unit(db: Db) -> None:
        mail.send(db, **ANN)
        raise LookupError("after it")

    with pytest.raises(LookupError):
        made.unit(unit)
    run(f"smtp://127.0.0.1:{smtp.port}")
    assert smtp.got == [] and made.read(mail.find) == []


def test_without_a_server_mail_is_kept(made: Store, run: Any) -> None:
    id = put(made)
    run()
    assert made.read(mail.get, id).state == "kept"


def test_a_key_is_used_once(made: Store, smtp: Server, run: Any) -> None:
    assert made.unit(mail.send, **ANN, key="welcome:7")
    assert made.unit(mail.send, **ANN, key="welcome:7") is None
    run(f"smtp://127.0.0.1:{smtp.port}")
    assert made.unit(mail.send, **ANN, key="welcome:7") is None
    run(f"smtp://127.0.0.1:{smtp.port}")
    assert len(smtp.got) == 1


def test_a_server_that_is_busy_is_asked_again(
    made: Store, smtp: Server, run: Any, frozen: Callable[[str], None]
) -> None:
    id = put(made)
    smtp.answer = "451 greylisted"
    run(f"smtp://127.0.0.1:{smtp.port}")
    assert (made.read(mail.get, id).state, made.read(mail.get, id).error) == ("queued", "451 greylisted")
    smtp.answer = "250 OK"
    frozen("2026-01-05T09:01:00Z")
    run(f"smtp://127.0.0.1:{smtp.port}")
    assert (made.read(mail.get, id).state, len(smtp.got)) == ("sent", 1)


def test_a_server_that_is_not_there_is_asked_again(made: Store, smtp: Server, run: Any) -> None:
    id = put(made)
    smtp.stop()
    run(f"smtp://127.0.0.1:{smtp.port}")
    assert made.read(mail.get, id).state == "queued"
    (job,) = made.read(jobs.find, name="mail.send")
    assert job.state == "scheduled"


def test_what_is_refused_for_good_is_not_tried_again(made: Store, smtp: Server, run: Any) -> None:
    id = put(made)
    smtp.answer = "554 spam"
    run(f"smtp://127.0.0.1:{smtp.port}")
    failed = made.read(mail.get, id)
    assert (failed.state, failed.error) == ("failed", "ann@example.org: 554 spam")
    assert made.read(jobs.find, name="mail.send")[0].state == "done"


def test_each_recipient_has_a_fate_of_its_own(
    made: Store, smtp: Server, run: Any, frozen: Callable[[str], None]
) -> None:
    id = put(made, to=["ann@example.org", "gone@example.org", "full@example.org"])
    smtp.refuse = {"gone@example.org": "550 unknown", "full@example.org": "452 mailbox full"}
    run(f"smtp://127.0.0.1:{smtp.port}")
    waiting = made.read(mail.get, id)
    assert (waiting.state, waiting.recipients) == ("queued", ["full@example.org"])
    assert waiting.error == "gone@example.org: 550 unknown; full@example.org: 452 mailbox full"
    smtp.refuse = {}
    frozen("2026-01-05T09:01:00Z")
    run(f"smtp://127.0.0.1:{smtp.port}")
    assert [recipients for _, recipients, _ in smtp.got] == [["ann@example.org"], ["full@example.org"]]
    assert made.read(mail.get, id).state == "sent"


# -- TLS and passwords ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    folder = tmp_path_factory.mktemp("tls")
    words = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 -keyout key.pem -out cert.pem"
    subprocess.run(["openssl", *words.split()], cwd=folder, check=True, capture_output=True)
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return made


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
@pytest.mark.parametrize("scheme", ["smtps", "smtp+starttls", "smtp"])
def test_tls_and_passwords(made: Store, run: Any, context: ssl.SSLContext, scheme: str) -> None:
    options: dict[str, Any] = {"ssl_context": context} if scheme == "smtps" else {"tls_context": context}
    server = Server(
        auth_required=True, auth_require_tls=scheme != "smtps", authenticator=lambda *a: logins(*a), **options
    )
    logins = server.login
    try:
        address = f"127.0.0.1:{server.port}?verify=no"
        refused = put(made)
        run(f"{scheme}://ann:wrong@{address}")
        assert (made.read(mail.get, refused).state, server.got) == ("queued", [])
        assert "535" in str(made.read(mail.get, refused).error)
        id = put(made)
        run(f"{scheme}://ann:right@{address}")
        assert made.read(mail.get, id).state == "sent"
        assert server.logins[-1] == (b"ann", b"right")
        strict = put(made)
        run(f"{scheme}://ann:right@{address.partition('?')[0]}")  # nobody vouches for this certificate
        assert made.read(mail.get, strict).state == "queued"
        assert "certificate" in str(made.read(mail.get, strict).error).lower()
    finally:
        server.stop()


# -- templates, throttles, housekeeping ----------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "welcome.txt").write_text("Subject: Welcome, {{ name }}!\n\nHello {{ name }}.\n")
    (tmp_path / "welcome.html").write_text("<p>Hello <b>{{ name }}</b>.</p>\n")
    (tmp_path / "plain.txt").write_text("Subject: Plain\nOnly text.\n")
    (tmp_path / "broken.txt").write_text("Hello.\n")
    templates.register("t-shop", tmp_path)
    return tmp_path


def test_templates_escape_html_and_nothing_else(folder: Path) -> None:
    filled = templates.render("t-shop/welcome", {"name": "<Ann> & Bob"})
    assert filled == (
        "Welcome, <Ann> & Bob!",
        "Hello <Ann> & Bob.\n",
        "<p>Hello <b>&lt;Ann&gt; &amp; Bob</b>.</p>\n",
    )
    assert templates.render("t-shop/plain", {}) == ("Plain", "Only text.\n", None)


def test_templates_that_cannot_be_filled_in(folder: Path, db: Db) -> None:
    with pytest.raises(Invalid, match="'name' is undefined"):
        templates.render("t-shop/welcome", {})
    with pytest.raises(Invalid, match="Subject"):
        templates.render("t-shop/broken", {})
    for name in ("t-shop/nothing", "t-nowhere/x"):
        with pytest.raises(NotFound, match="no template"):
            templates.render(name, {})
    for name in ("../x", "t-shop/../../etc/passwd", "t-shop", "t-shop/a.b"):
        with pytest.raises(Invalid, match="no name of a template"):
            templates.render(name, {})


def test_a_line_break_in_what_is_filled_in_becomes_no_header(folder: Path, db: Db) -> None:
    context = {"name": "x\nBcc: eve@example.org"}
    id = mail.send(db, to="ann@example.org", template="t-shop/welcome", context=context)
    assert id is not None
    found = mail.get(db, id)
    assert (found.subject, found.recipients) == ("Welcome, x", ["ann@example.org"])
    assert "bcc" not in message_from_bytes(found.raw.encode(), policy=policy.default)


def test_a_mail_from_a_template(db: Db, folder: Path) -> None:
    id = mail.send(db, to="ann@example.org", template="t-shop/welcome", context={"name": "Ann"})
    assert id is not None
    found = mail.get(db, id)
    assert (found.subject, found.state, found.shown_to) == ("Welcome, Ann!", "queued", "ann@example.org")


def test_a_mail_needs_words(db: Db) -> None:
    with pytest.raises(Invalid, match="a subject and a text"):
        mail.send(db, to="ann@example.org", subject="x")


def test_somebody_is_written_to_once_in_a_window(db: Db, frozen: Callable[[str], None]) -> None:
    minute = timedelta(minutes=1)
    assert mail.allowed(db, "ann@example.org", "reset", every=minute)
    assert not mail.allowed(db, "ANN@example.org", "reset", every=minute)
    assert mail.allowed(db, "ann@example.org", "invite", every=minute)
    assert mail.allowed(db, "bob@example.org", "reset", every=minute)
    frozen("2026-01-05T09:00:59.999Z")
    assert not mail.allowed(db, "ann@example.org", "reset", every=minute)
    frozen("2026-01-05T09:01:00Z")
    assert mail.allowed(db, "ann@example.org", "reset", every=minute)


def test_of_many_who_ask_at_once_one_may_write(made: Store, store_url: str) -> None:
    stores = [connect(store_url) for _ in range(6)]
    for each in stores:
        each.use("mail")

    def ask(n: int) -> list[bool]:
        hour = timedelta(hours=1)
        return [stores[n].unit(mail.allowed, f"u{k}@example.org", "x", every=hour) for k in range(20)]

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(ask, range(6)))
    assert [sum(column) for column in zip(*answers, strict=True)] == [1] * 20
    for each in stores:
        each.close()


def test_old_mail_is_forgotten(db: Db, frozen: Callable[[str], None]) -> None:
    from backendhub.kit.mail.jobs import tidy

    mail.send(db, **ANN, key="k")
    frozen("2026-02-04T09:00:01Z")
    tidy(db)
    assert mail.find(db) == []
    assert mail.send(db, **ANN, key="k")


# -- the viewer ----------------------------------------------------------------------------------------------


@pytest.fixture
def http(hub: Any) -> Iterator[Any]:
    from backendhub import registry
    from backendhub.kit import web

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from starlette.testclient import TestClient
    app: Any = web.build_app([registry.find("todo")], hub, single=True, log_format="none")
    app.attach("/_mail", package="backendhub.kit.mail")
    with TestClient(app, base_url="http://127.0.0.1:8000", raise_server_exceptions=False) as client:
        yield client


def test_mail_can_be_looked_at(http: Any, hub: Any) -> None:
    assert "No mail yet" in http.get("/_mail/").text
    html = '<p onclick="x()">Hi</p><script>alert(1)</script><img src="https://tracker.example/x.gif">'
    file = mail.Attachment('a"<b>.txt', "text/html", b"<script>1</script>")
    id = hub.unit(
        mail.send, **(ANN | {"subject": "<script>alert(1)</script>"}), html=html, attachments=[file]
    )
    listing = http.get("/_mail/").text
    assert "<script>" not in listing and "&lt;script&gt;" in listing
    page = http.get(f"/_mail/view/{id}")
    assert "<script>" not in page.text and "<iframe sandbox " in page.text
    assert "script-src" not in page.headers["content-security-policy"]
    body = http.get(f"/_mail/messages/{id}/html")
    assert body.text.strip() == html
    policy_ = body.headers["content-security-policy"]
    assert policy_.startswith("sandbox; default-src 'none'") and "img-src data:" in policy_
    attached = http.get(f"/_mail/messages/{id}/attachments/0")
    assert attached.content == b"<script>1</script>"
    assert attached.headers["content-type"] == "application/octet-stream"
    assert attached.headers["content-disposition"].startswith("attachment;")
    assert "Message-ID" in http.get(f"/_mail/messages/{id}/raw").text
    (row,) = http.get("/_mail/messages").json()
    assert (row["id"], row["text"], row["recipients"]) == (id, "Hello\n", ["ann@example.org"])
    assert http.get(f"/_mail/messages/{id}").json() == row
    assert row["attachments"] == [{"number": 0, "name": 'a"<b>.txt', "mediaType": "text/html", "size": 18}]
    assert http.post(f"/_mail/delete/{id}", follow_redirects=False).headers["location"] == "/_mail/"
    assert http.get("/_mail/messages").json() == []
    for path in (
        f"view/{id}",
        f"messages/{id}",
        "messages/x/raw",
        "messages/x/html",
        "messages/x/attachments/0",
    ):
        assert http.get(f"/_mail/{path}").status_code == 404


def test_mail_pages_and_can_be_cleared(http: Any, hub: Any) -> None:
    for _ in range(51):
        hub.unit(mail.send, **ANN)
    first = http.get("/_mail/messages?limit=2").json()
    assert len(http.get(f"/_mail/messages?limit=200&before={first[-1]['id']}").json()) == 49
    assert ">Older<" in http.get("/_mail/").text
    assert http.delete(f"/_mail/messages/{first[0]['id']}").status_code == 204
    assert http.delete("/_mail/messages").status_code == 204
    assert http.get("/_mail/messages").json() == []


def test_other_sites_see_and_change_nothing(http: Any, hub: Any) -> None:
    id = hub.unit(mail.send, **ANN)
    for host in ("evil.example", "evil.example:8000", "127.0.0.1.evil.example", "10.0.0.1"):
        assert http.get("/_mail/messages", headers={"host": host}).status_code == 403, host
    for origin in ("https://evil.example", "http://127.0.0.1:9999", "null"):
        answer = http.post(f"/_mail/delete/{id}", headers={"origin": origin})
        assert answer.status_code == 403, origin
        assert "access-control-allow-origin" not in answer.headers
    for site in ("cross-site", "same-site"):
        headers = {"origin": "http://127.0.0.1:8000", "sec-fetch-site": site}
        assert http.post(f"/_mail/delete/{id}", headers=headers).status_code == 403, site
    assert http.get("/_mail/messages", headers={"host": "localhost:8000"}).status_code == 200
    assert (
        http.post(
            f"/_mail/delete/{id}", headers={"origin": "http://127.0.0.1:8000"}, follow_redirects=False
        ).status_code
        == 303
    )
    # What Chromium sends for the button: the page has no referrer, so the form has no origin.
    button = {"origin": "null", "sec-fetch-site": "same-origin"}
    assert http.post("/_mail/clear", headers=button, follow_redirects=False).status_code == 303


def test_the_system_at_the_root_is_where_it_was(http: Any) -> None:
    assert http.get("/").json() == []
    assert http.get("/_mailbox").status_code == 400  # the id of a to-do, to this system
