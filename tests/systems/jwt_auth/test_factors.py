"""Second factors: enrol, challenge, verify; what a session of one factor may not do any more."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pyotp
import pytest


def enrolled(auth: Any, token: str, **more: Any) -> Any:
    done = auth.post("/factors", token, factor_type="totp", **more)
    assert done.status_code == 200, done.text
    return done.json()


def answered(auth: Any, token: str, factor: Any, code: str) -> Any:
    challenge = auth.post(f"/factors/{factor['id']}/challenge", token).json()
    return auth.post(f"/factors/{factor['id']}/verify", token, challenge_id=challenge["id"], code=code)


def code_at(factor: Any, moment: str) -> str:
    from datetime import datetime

    return pyotp.TOTP(factor["totp"]["secret"]).at(datetime.fromisoformat(moment))


def test_from_enrolment_to_the_second_level(auth: Any, frozen: Callable[[str], None]) -> None:
    one, other = auth.sign_up(), auth.sign_in().json()
    token = one["access_token"]
    factor = enrolled(auth, token, friendly_name="phone")
    assert factor["totp"]["qr_code"].startswith("<svg")
    assert factor["totp"]["uri"].startswith("otpauth://totp/")
    assert auth.get("/user", token).json()["factors"][0]["status"] == "unverified"
    done = answered(auth, token, factor, code_at(factor, "2026-01-05T09:00:00+00:00"))
    raised = done.json()
    assert raised["user"]["factors"][0]["status"] == "verified"
    claims = auth.hub.read(
        lambda db: (
            __import__("backendhub.kit.accounts", fromlist=["of"])
            .of(auth.hub)
            .tokens.verify(db, raised["access_token"])
        )
    ).all
    assert claims["aal"] == "aal2"
    assert [m["method"] for m in claims["amr"]] == ["totp", "password"]
    assert auth.get("/user", other["access_token"]).status_code == 403  # sessions of one factor have ended
    assert auth.refresh(one["refresh_token"]).status_code == 400  # and so has the token from before
    again = auth.refresh(raised["refresh_token"]).json()
    assert auth.get("/user", again["access_token"]).status_code == 200


def test_a_step_counts_once(auth: Any, frozen: Callable[[str], None]) -> None:
    token = auth.sign_up()["access_token"]
    factor = enrolled(auth, token)
    code = code_at(factor, "2026-01-05T09:00:00+00:00")
    token = answered(auth, token, factor, code).json()["access_token"]
    again = answered(auth, token, factor, code)
    assert (again.status_code, again.json()["error_code"]) == (422, "mfa_verification_failed")
    frozen("2026-01-05T09:00:30Z")
    assert answered(auth, token, factor, code).status_code == 422
    late = code_at(factor, "2026-01-05T09:01:00+00:00")
    assert answered(auth, token, factor, late).status_code == 200  # a clock may be a step ahead


def test_answers_are_counted_for_an_account(served: Callable[..., Any]) -> None:
    """Whoever has the password may ask as often as there are addresses, and six digits are a million."""
    auth = served(limit="100")
    token = auth.sign_up()["access_token"]
    factor = enrolled(auth, token)
    codes = [answered(auth, token, factor, "0").status_code for _ in range(31)]
    assert codes == [422] * 30 + [429]


def test_one_answer_of_many_counts(auth: Any, frozen: Callable[[str], None]) -> None:
    token = auth.sign_up()["access_token"]
    factor = enrolled(auth, token)
    challenge = auth.post(f"/factors/{factor['id']}/challenge", token).json()
    body = {"challenge_id": challenge["id"], "code": code_at(factor, "2026-01-05T09:00:00+00:00")}
    with ThreadPoolExecutor(10) as pool:
        done = list(
            pool.map(
                lambda _: auth.post(f"/factors/{factor['id']}/verify", token, **body).status_code, range(10)
            )
        )
    assert done.count(200) == 1


def test_wrong_answers_use_a_challenge_up(auth: Any, frozen: Callable[[str], None]) -> None:
    token = auth.sign_up()["access_token"]
    factor = enrolled(auth, token)
    challenge = auth.post(f"/factors/{factor['id']}/challenge", token).json()
    for code in ("000000", "x", "", "ü", "1" * 500):
        done = auth.post(f"/factors/{factor['id']}/verify", token, challenge_id=challenge["id"], code=code)
        assert done.json()["error_code"] == "mfa_verification_failed"
    gone = auth.post(f"/factors/{factor['id']}/verify", token, challenge_id=challenge["id"], code="1")
    assert gone.json()["error_code"] == "mfa_factor_not_found"
    challenge = auth.post(f"/factors/{factor['id']}/challenge", token).json()
    frozen("2026-01-05T09:05:01Z")
    late = auth.post(f"/factors/{factor['id']}/verify", token, challenge_id=challenge["id"], code="1")
    assert late.json()["error_code"] == "mfa_challenge_expired"


def test_what_one_factor_may_not_do_any_more(auth: Any, frozen: Callable[[str], None]) -> None:
    token = auth.sign_up()["access_token"]
    factor = enrolled(auth, token)
    raised = answered(auth, token, factor, code_at(factor, "2026-01-05T09:00:00+00:00")).json()[
        "access_token"
    ]
    low = auth.sign_in().json()["access_token"]
    assert auth.put("/user", low, password="quite another one").json()["error_code"] == "insufficient_aal"
    assert auth.put("/user", low, email="x@example.com").json()["error_code"] == "insufficient_aal"
    assert auth.post("/factors", low, factor_type="totp").json()["error_code"] == "insufficient_aal"
    assert auth.delete(f"/factors/{factor['id']}", low).json()["error_code"] == "insufficient_aal"
    assert auth.post("/passkeys/registration/options", low).json()["error_code"] == "insufficient_aal"
    assert auth.delete(f"/factors/{factor['id']}", raised).json() == {"id": factor["id"]}
    assert auth.post("/factors", low, factor_type="totp").status_code == 200


def test_factors_belong_to_their_account(auth: Any) -> None:
    mine = auth.sign_up()["access_token"]
    factor = enrolled(auth, mine)
    theirs = auth.sign_up("eve@example.com")["access_token"]
    for done in (
        auth.post(f"/factors/{factor['id']}/challenge", theirs),
        auth.delete(f"/factors/{factor['id']}", theirs),
        auth.post(f"/factors/{factor['id']}/verify", theirs, challenge_id="x", code="1"),
    ):
        assert (done.status_code, done.json()["error_code"]) == (404, "mfa_factor_not_found")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "validation_failed"),
        ({"factor_type": "sms"}, "validation_failed"),
        ({"factor_type": "phone", "phone": "+491701234567"}, "mfa_phone_enroll_not_enabled"),
    ],
)
def test_what_cannot_be_enrolled(auth: Any, body: dict[str, Any], code: str) -> None:
    assert auth.post("/factors", auth.sign_up()["access_token"], **body).json()["error_code"] == code


def test_names_and_numbers_of_factors(served: Callable[..., Any]) -> None:
    auth = served(limit="0", phone="true", mail_interval="0", factors="3")
    token = auth.sign_up()["access_token"]
    enrolled(auth, token, friendly_name="a")
    same = auth.post("/factors", token, factor_type="totp", friendly_name="a")
    assert same.json()["error_code"] == "mfa_factor_name_conflict"
    phone = auth.post("/factors", token, factor_type="phone", phone="+491701234567", friendly_name="b").json()
    challenge = auth.post(f"/factors/{phone['id']}/challenge", token).json()
    code = auth.sent("491701234567")[0]["code"]
    enrolled(auth, token, friendly_name="c")
    full = auth.post("/factors", token, factor_type="totp", friendly_name="d")
    assert full.json()["error_code"] == "too_many_enrolled_mfa_factors"
    done = auth.post(f"/factors/{phone['id']}/verify", token, challenge_id=challenge["id"], code=code)
    assert done.status_code == 200
