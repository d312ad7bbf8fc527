"""Links and codes: confirmation, recovery, magic links, changes of address, flows with a code challenge."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from backendhub.kit import mail
from backendhub.kit.accounts import users
from backendhub.kit.errors import Invalid
from backendhub.kit.mail.read import opened
from backendhub.systems.jwt_auth.models import Client
from backendhub.systems.jwt_auth.service import Engine, registering

VERIFIER = "v" * 50
CHALLENGE = urlsafe_b64encode(sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
PKCE = {"code_challenge": CHALLENGE, "code_challenge_method": "s256"}


@pytest.fixture
def careful(served: Callable[..., Any]) -> Any:
    """A server that wants addresses confirmed."""
    return served(
        limit="0", autoconfirm="false", mail_interval="0", redirects="https://*.example.org/** app://**"
    )


def path(link: str) -> str:
    """The link in a mail, within the server."""
    parts = urlsplit(link)
    return f"{parts.path}?{parts.query}"


def fragment(response: Any) -> dict[str, str]:
    assert response.status_code == 303
    return {k: v[0] for k, v in parse_qs(urlsplit(response.headers["location"]).fragment).items()}


def test_an_address_is_confirmed_by_its_link(careful: Any) -> None:
    pending = careful.sign_up()
    assert "access_token" not in pending
    assert "email_confirmed_at" not in pending
    assert careful.sign_in().json()["error_code"] == "email_not_confirmed"
    told = careful.sent()[0]
    assert told["template"] == "signup"
    assert told["link"].startswith("http://127.0.0.1:8000/verify?token=")
    session = fragment(careful.get(path(told["link"])))
    assert careful.get("/user", session["access_token"]).json()["email_confirmed_at"]
    assert session["type"] == "signup"
    assert fragment(careful.get(path(told["link"])))["error_code"] == "otp_expired"
    assert careful.sign_in().status_code == 200


def test_what_confirms_is_in_the_outbox_with_the_account(careful: Any) -> None:
    careful.sign_up()
    (sent,) = careful.hub.read(mail.find)
    assert (sent.state, sent.recipients, sent.subject) == (
        "queued",
        ["ada@example.com"],
        "Confirm your address",
    )
    found = opened(sent)
    assert "http://localhost:3000" in found.text and found.html is not None
    waiting = careful.hub.read(lambda db: db.fetch("SELECT name, queue, payload FROM jobs_job", {}))
    assert [(name, queue, json.loads(payload)) for name, queue, payload in waiting] == [
        ("mail.send", "mail", {"message": sent.id})
    ]
    session = fragment(careful.get(path(careful.sent()[0]["link"])))
    assert careful.get("/user", session["access_token"]).json()["email_confirmed_at"]


def test_the_mail_goes_with_its_commit(careful: Any) -> None:
    engine = Engine.of(careful.hub)

    def torn(db: Any) -> None:
        here = Client(None, None, "http://localhost:3000")
        registering.sign_up(db, engine, registering.NewUser("ada@example.com", None, None, {}), here)
        assert len(mail.find(db)) == 1
        raise Invalid("Something else went wrong.")

    with pytest.raises(Invalid):
        careful.hub.unit(torn)
    assert careful.sent() == []


@pytest.mark.parametrize("email", ["jörg@example.com", ".ada@example.com", "ada@exa_mple.com"])
def test_addresses_that_get_no_mail_are_refused_alike(careful: Any, email: str) -> None:
    careful.hub.unit(lambda db: users.add(db, email=email, email_confirmed=True))
    for route, more in (
        ("/recover", {}),
        ("/otp", {}),
        ("/magiclink", {}),
        ("/resend", {"type": "signup"}),
        ("/signup", {"password": "correct horse battery"}),
    ):
        known = careful.post(route, email=email, **more)
        unknown = careful.post(route, email=f"x{email}" if email[0] != "." else f".x{email[1:]}", **more)
        assert (known.status_code, known.json()["error_code"]) == (400, "validation_failed"), route
        assert (unknown.status_code, unknown.json()["error_code"]) == (400, "validation_failed"), route


def test_or_by_its_code(careful: Any) -> None:
    careful.sign_up()
    code = careful.sent()[0]["code"]
    for wrong in ("000000" if code != "000000" else "111111", "x", ""):
        assert careful.post("/verify", type="signup", email="ada@example.com", token=wrong).status_code >= 400
    done = careful.post("/verify", type="signup", email="ADA@example.com", token=code)
    assert done.json()["user"]["email_confirmed_at"]
    assert careful.post("/verify", type="signup", email="ada@example.com", token=code).status_code == 403


def test_a_few_wrong_guesses_burn_a_code_and_not_its_link(careful: Any) -> None:
    careful.sign_up()
    told = careful.sent()[0]
    for n in range(5):
        guess = f"{(int(told['code']) + 1 + n) % 1_000_000:06}"
        assert careful.post("/verify", type="signup", email="ada@example.com", token=guess).status_code == 403
    assert (
        careful.post("/verify", type="signup", email="ada@example.com", token=told["code"]).status_code == 403
    )
    assert fragment(careful.get(path(told["link"])))["access_token"]


def test_the_newest_link_replaces_the_others(careful: Any) -> None:
    careful.sign_up()
    careful.post("/resend", type="signup", email="ada@example.com")
    new, old = careful.sent()
    assert fragment(careful.get(path(old["link"])))["error_code"] == "otp_expired"
    assert fragment(careful.get(path(new["link"])))["access_token"]


def test_links_and_codes_run_out(careful: Any, frozen: Callable[[str], None]) -> None:
    careful.sign_up()
    told = careful.sent()[0]
    frozen("2026-01-05T10:00:01Z")
    assert fragment(careful.get(path(told["link"])))["error_code"] == "otp_expired"
    assert (
        careful.post("/verify", type="email", email="ada@example.com", token=told["code"]).status_code == 403
    )


def test_one_of_many_who_answer_at_once_gets_in(careful: Any) -> None:
    careful.sign_up()
    code = careful.sent()[0]["code"]
    body = {"type": "signup", "email": "ada@example.com", "token": code}
    with ThreadPoolExecutor(20) as pool:
        codes = list(pool.map(lambda _: careful.post("/verify", **body).status_code, range(50)))
    assert sorted(set(codes)) == [200, 403]
    assert codes.count(200) == 1


def test_a_forgotten_password(auth: Any) -> None:
    old = auth.sign_up()
    assert auth.post("/recover", email="ada@example.com").json() == {}
    session = fragment(auth.get(path(auth.sent()[0]["link"])))
    changed = auth.put("/user", session["access_token"], password="quite another one")
    assert changed.status_code == 200
    assert auth.sign_in().status_code == 400
    assert auth.sign_in(password="quite another one").status_code == 200
    assert auth.get("/user", old["access_token"]).status_code == 403  # every other sign-in has ended
    same = auth.put("/user", session["access_token"], password="quite another one")
    assert same.json()["error_code"] == "same_password"


def test_nobody_learns_who_has_an_account(auth: Any) -> None:
    auth.sign_up()
    for route, more in (
        ("/recover", {}),
        ("/otp", {"create_user": False}),
        ("/magiclink", {"create_user": False}),
        ("/resend", {"type": "signup"}),
    ):
        known = auth.post(route, email="ada@example.com", **more)
        unknown = auth.post(route, email="nobody@example.com", **more)
        assert (known.status_code, known.json()) == (unknown.status_code, unknown.json()) == (200, {})
    assert auth.sent("nobody@example.com") == []


def test_at_most_one_mail_in_an_interval(served: Callable[..., Any], frozen: Callable[[str], None]) -> None:
    auth = served(limit="0", mail_interval="60")
    auth.sign_up()
    with ThreadPoolExecutor(10) as pool:
        done = list(pool.map(lambda _: auth.post("/recover", email="ada@example.com").status_code, range(20)))
    assert set(done) == {200}
    assert len(auth.sent()) == 1
    frozen("2026-01-05T09:01:00Z")
    auth.post("/recover", email="ada@example.com")
    assert len(auth.sent()) == 2


def test_a_magic_link_signs_up_and_in(careful: Any) -> None:
    careful.post("/otp", email="new@example.com", data={"x": 1})
    first = careful.sent("new@example.com")[0]
    assert first["template"] == "signup"
    done = careful.post("/verify", type="email", email="new@example.com", token=first["code"]).json()
    assert done["user"]["user_metadata"] == {"x": 1}
    careful.post("/magiclink", email="new@example.com")
    second = careful.sent("new@example.com")[0]
    assert second["template"] == "magiclink"
    token = parse_qs(urlsplit(second["link"]).query)["token"][0]
    assert careful.post("/verify", type="magiclink", token_hash=token).json()["access_token"]


def test_a_flow_with_a_code_challenge(careful: Any) -> None:
    careful.sign_up(**PKCE)
    followed = careful.get(path(careful.sent()[0]["link"]))
    code = parse_qs(urlsplit(followed.headers["location"]).query)["code"][0]
    assert "access_token" not in followed.headers["location"]
    trade = "/token?grant_type=pkce"
    wrong = careful.post(trade, auth_code=code, code_verifier="w" * 50)
    assert wrong.json()["error_code"] == "bad_code_verifier"
    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(lambda _: careful.post(trade, auth_code=code, code_verifier=VERIFIER), range(8)))
    assert [d.status_code for d in done].count(200) == 1


def test_a_change_of_address_needs_both(careful: Any) -> None:
    careful.sign_up()
    token = fragment(careful.get(path(careful.sent()[0]["link"])))["access_token"]
    asked = careful.put("/user", token, email="lovelace@example.com").json()
    assert (asked["email"], asked["new_email"]) == ("ada@example.com", "lovelace@example.com")
    old, new = careful.sent("ada@example.com")[0], careful.sent("lovelace@example.com")[0]
    assert (
        all("lovelace@example.com" in m["text"] for m in (old, new)) and "ada@example.com" not in new["text"]
    )
    half = careful.get(path(new["link"]))
    assert "confirm" in fragment(half)["message"]
    assert careful.get("/user", token).json()["email"] == "ada@example.com"
    done = careful.post("/verify", type="email_change", email="ada@example.com", token=old["code"]).json()
    assert done["user"]["email"] == "lovelace@example.com"
    assert careful.sign_in("lovelace@example.com").status_code == 200


def test_both_halves_at_once(careful: Any) -> None:
    careful.sign_up()
    token = fragment(careful.get(path(careful.sent()[0]["link"])))["access_token"]
    for n in range(3):
        careful.put("/user", token, email=f"ada{n}@example.com")
        before = careful.get("/user", token).json()["email"]
        links = [careful.sent(to)[0]["link"] for to in (before, f"ada{n}@example.com")]
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda link: careful.get(path(link)), links))
        assert careful.get("/user", token).json()["email"] == f"ada{n}@example.com"


def test_an_address_that_was_taken_meanwhile(careful: Any) -> None:
    careful.sign_up()
    token = fragment(careful.get(path(careful.sent()[0]["link"])))["access_token"]
    careful.put("/user", token, email="lovelace@example.com")
    careful.sign_up("lovelace@example.com")
    sent = careful.sent("lovelace@example.com")
    link = next(m for m in sent if m["template"] == "email_change_new")["link"]
    careful.get(path(careful.sent("ada@example.com")[0]["link"]))
    assert fragment(careful.get(path(link)))["error_code"] == "email_exists"
    taken = careful.put("/user", token, email="lovelace@example.com")
    assert taken.json()["error_code"] == "email_exists"


@pytest.mark.parametrize(
    ("wanted", "allowed"),
    [
        ("http://localhost:3000/welcome?a=1", True),
        ("https://localhost/x", True),
        ("https://app.example.org/a/b", True),
        ("app://open", True),
        ("https://evil.example/", False),
        ("https://example.org.evil.example/", False),
        ("https://a.b.example.org/", False),
        ("//evil.example", False),
        ("https://localhost@evil.example/", False),
        ("javascript:alert(1)", False),
        ("http://localhost:3000\\@evil.example", False),
        ("http://localhost:3000/\r\nSet-Cookie: x=y", False),
        ("http://[::1", False),
    ],
)
def test_links_lead_nowhere_else(careful: Any, wanted: str, allowed: bool) -> None:
    done = careful.http.get(
        "/verify", params={"token": "x", "type": "signup", "redirect_to": wanted}, follow_redirects=False
    )
    to = done.headers["location"].partition("#")[0]
    assert to == (wanted if allowed else "http://localhost:3000")


def test_what_a_request_calls_this_host_stands_in_no_mail(careful: Any) -> None:
    careful.http.post(
        "/signup",
        json={"email": "ada@example.com", "password": "correct horse battery"},
        headers={"host": "evil.example", "x-forwarded-host": "evil.example"},
    )
    assert "evil.example" not in str(careful.sent())


def test_phones(served: Callable[..., Any]) -> None:
    auth = served(limit="0", phone="true", mail_interval="0")
    made = auth.post("/signup", phone="+491701234567", password="correct horse battery").json()
    assert "access_token" not in made
    number = {"phone": "+491701234567"}
    wrong = auth.post("/token?grant_type=password", **number, password="correct horse battery")
    assert wrong.json()["error_code"] == "phone_not_confirmed"
    code = auth.sent("491701234567")[0]["code"]
    assert auth.post("/verify", type="sms", **number, token=code).json()["user"]["phone"] == "491701234567"
    auth.post("/otp", **number)
    code = auth.sent("491701234567")[0]["code"]
    token = auth.post("/verify", type="sms", **number, token=code).json()["access_token"]
    auth.put("/user", token, phone="+491707654321")
    code = auth.sent("491707654321")[0]["code"]
    done = auth.post("/verify", type="phone_change", phone="+491707654321", token=code).json()
    assert done["user"]["phone"] == "491707654321"


def test_a_new_password_may_need_the_present_one(served: Callable[..., Any]) -> None:
    auth = served(limit="0", current_password="true", mail_interval="0")
    token, new = auth.sign_up()["access_token"], "quite another one"
    for sent, code in (({}, "required"), ({"current_password": "wrong"}, "mismatch")):
        refused = auth.put("/user", token, password=new, **sent)
        assert (refused.status_code, refused.json()["error_code"]) == (400, f"current_password_{code}")
    assert auth.put("/user", token, password=new, current_password="correct horse battery").status_code == 200
    auth.post("/recover", email="ada@example.com")
    came = auth.post("/verify", type="recovery", email="ada@example.com", token=auth.sent()[0]["code"]).json()
    assert auth.put("/user", came["access_token"], password="one more of them").status_code == 200
    strict = served(limit="0", **{"accounts.strict": "true"})
    token = strict.sign_in(password="one more of them").json()["access_token"]
    assert strict.put("/user", token, password=new).json()["error_code"] == "current_password_required"
    lax = served(limit="0")
    low = lax.sign_in(password="one more of them").json()["access_token"]
    sent = {"password": new, "current_password": "wrong"}
    assert lax.put("/user", low, **sent).json()["error_code"] == "current_password_mismatch"
    assert lax.put("/user", low, password=new).status_code == 200


def test_a_page_cannot_follow_a_link_by_itself(served: Callable[..., Any]) -> None:
    """A picture, a frame or a look ahead would use it up (ASVS 3.5.3)."""
    auth = served(limit="0")
    token = auth.sign_up()["access_token"]
    auth.post("/magiclink", email="ada@example.com")
    link = auth.sent()[0]["link"].partition("/verify")[2]

    def ask(path: str, **fields: str) -> int:
        headers = {f"sec-{name.replace('_', '-')}": value for name, value in fields.items()}
        status: int = auth.http.get(
            path, headers=headers | auth.bearer(token), follow_redirects=False
        ).status_code
        return status

    for mode, dest in (
        ("no-cors", "image"),
        ("navigate", "iframe"),
        ("cors", "empty"),
        ("no-cors", "script"),
    ):
        assert ask(f"/verify{link}", fetch_mode=mode, fetch_dest=dest) == 403, (mode, dest)
    assert ask(f"/verify{link}", fetch_mode="navigate", fetch_dest="document", purpose="prefetch") == 403
    assert ask(f"/verify{link}", fetch_mode="navigate", fetch_dest="document") == 303
    for mode, status in (("navigate", 403), ("no-cors", 403), ("cors", 200)):
        assert ask("/reauthenticate", fetch_mode=mode) == status, mode


def test_a_new_password_may_need_a_code(served: Callable[..., Any], frozen: Callable[[str], None]) -> None:
    auth = served(limit="0", reauthenticate="true", **{"accounts.access_ttl": "200000"})
    token = auth.sign_up()["access_token"]
    assert auth.put("/user", token, password="quite another one").status_code == 200
    frozen("2026-01-06T09:00:01Z")
    needs = auth.put("/user", token, password="and one more of them")
    assert needs.json()["error_code"] == "reauthentication_needed"
    assert auth.get("/reauthenticate", token).status_code == 200
    assert (auth.sent()[0]["template"], auth.sent()[0]["link"]) == ("reauthentication", None)
    code = auth.sent()[0]["code"]
    bad = auth.put("/user", token, password="and one more of them", nonce="x")
    assert bad.json()["error_code"] == "reauthentication_not_valid"
    assert auth.put("/user", token, password="and one more of them", nonce=code).status_code == 200
