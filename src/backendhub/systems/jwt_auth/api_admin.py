"""Routes for administrators and for servers that share the signing key."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query

from backendhub.kit import web
from backendhub.kit.accounts import factors, passkeys, users
from backendhub.kit.db import Db

from .bodies import AdminFactorIn, AdminIn, InviteIn, LinkIn
from .gates import ADMIN, ADMINISTRATOR, client, mailbox
from .models import Refusal
from .service import Engine, administration, multifactor
from .service.engine import account
from .wire import UserOut, factor_out, passkey_out, user_out

PAGE, MOST = 50, 1000
Number = Annotated[
    str, Query(max_length=9, pattern="^[0-9]*$", description="A number from 1; empty for the first")
]


def add(router: web.Router) -> None:
    """Adds them to the system's routes."""
    admin = router.family("/admin", auth=ADMINISTRATOR, guard=ADMIN)
    admin.get("/users", open_query=True)(list_users)
    admin.post("/users", open_query=True, statuses=(422,))(create_user)
    admin.get("/users/{user_id}", open_query=True)(get_user)
    admin.put("/users/{user_id}", open_query=True, statuses=(409, 422))(edit_user)
    admin.delete("/users/{user_id}", status=200, open_query=True, statuses=(409,))(delete_user)
    admin.get("/users/{user_id}/factors", open_query=True)(list_factors)
    admin.put("/users/{user_id}/factors/{factor_id}", open_query=True)(edit_factor)
    admin.delete("/users/{user_id}/factors/{factor_id}", status=200, open_query=True)(delete_factor)
    admin.get("/users/{user_id}/passkeys", open_query=True)(list_passkeys)
    admin.delete("/users/{user_id}/passkeys/{passkey_id}", open_query=True)(delete_passkey)
    admin.post("/generate_link", open_query=True, statuses=(404, 422))(generate_link)
    invitations = router.family("/invite", auth=ADMINISTRATOR, guard=ADMIN)
    invitations.post("", open_query=True, statuses=(422, 429))(invite)


def list_users(db: Db, request: web.Request, page: Number = "", per_page: Number = "") -> dict[str, Any]:
    """Accounts, newest first, page by page; `Link` and `X-Total-Count` say how many pages there are."""
    at, size = max(1, int(page or 1)), min(MOST, max(1, int(per_page or PAGE)))
    found, total = administration.listed(db, at, size)
    last = max(1, -(-total // size))
    pages = ([("next", at + 1)] if at < last else []) + [("last", last)]
    link = ", ".join(f'<{request.full_path}?page={n}&per_page={size}>; rel="{rel}"' for rel, n in pages)
    body = {"users": [user_out(shown) for shown in found], "aud": "authenticated"}
    return web.reply(body, headers={"Link": link, "X-Total-Count": str(total)})


async def wanted(request: web.Request, body: AdminIn) -> administration.Wanted:
    """An account as it is wanted, its password hashed. Raises Refusal, Weak, Invalid."""
    email = users.email(body.email) if body.email else None
    phone = users.phone(body.phone) if body.phone else None
    passwords, hash = request.hub.passwords, body.password_hash or None
    if body.password and hash:
        raise Refusal(400, "validation_failed", "Only a password or a password hash should be provided")
    if hash is not None and not passwords.recognises(hash):
        raise Refusal(400, "validation_failed", "The password hash is neither Argon2 nor bcrypt")
    if body.password:
        passwords.check(body.password, email)
        hash = await passwords.ahash(body.password)
    return administration.Wanted(
        id=body.id or None,
        email=email,
        phone=phone,
        role=body.role or None,
        hash=hash,
        email_confirm=body.email_confirm,
        phone_confirm=body.phone_confirm,
        data=body.user_metadata,
        app_data=body.app_metadata,
        ban=body.ban_duration or None,
    )


async def create_user(request: web.Request, body: AdminIn) -> UserOut:
    """Add an account, confirmed or not, with a password, its hash or neither."""
    if not body.email and not body.phone:
        raise Refusal(400, "validation_failed", "Cannot create a user without either an email or phone")
    return user_out(await request.call(administration.add, await wanted(request, body)))


def get_user(db: Db, user_id: str) -> UserOut:
    """An account."""
    return user_out(account(db, administration.get(db, user_id)))


async def edit_user(request: web.Request, user_id: str, body: AdminIn) -> UserOut:
    """Change an account; metadata is merged, and names that are null go."""
    await request.read(administration.get, user_id)
    return user_out(await request.call(administration.edit, user_id, await wanted(request, body)))


async def delete_user(request: web.Request, user_id: str) -> dict[str, str]:
    """Remove an account; with `{"should_soft_delete": true}` its id stays, and nothing else."""
    softly = False
    if request.body.strip():
        import json

        try:
            given = json.loads(request.body)
            softly = given.get("should_soft_delete", False) is True
        except (ValueError, AttributeError, RecursionError):
            raise Refusal(400, "bad_json", "Could not parse request body as JSON") from None
    await request.call(administration.remove, user_id, softly=softly)
    return {}


def list_factors(db: Db, user_id: str) -> list[dict[str, Any]]:
    """The factors of an account."""
    return [factor_out(f) for f in factors.of_user(db, administration.get(db, user_id).id)]


def edit_factor(db: Db, user_id: str, factor_id: str, body: AdminFactorIn) -> dict[str, Any]:
    """Rename a factor, or give it another number."""
    factor = administration.factor(db, user_id, factor_id)
    phone = users.phone(body.phone) if body.phone and factor.kind == "phone" else None
    return factor_out(factors.rename(db, factor, name=body.friendly_name, phone=phone))


def delete_factor(db: Db, user_id: str, factor_id: str) -> dict[str, Any]:
    """Remove a factor."""
    factor = administration.factor(db, user_id, factor_id)
    multifactor.remove(db, factor)
    return factor_out(factor)


def list_passkeys(db: Db, user_id: str) -> list[dict[str, Any]]:
    """The passkeys of an account."""
    return [passkey_out(key) for key in passkeys.of_user(db, administration.get(db, user_id).id)]


def delete_passkey(db: Db, user_id: str, passkey_id: str) -> None:
    """Remove a passkey of an account."""
    if not passkeys.remove(db, administration.get(db, user_id).id, passkey_id):
        raise Refusal(404, "validation_failed", "Passkey not found")


def invite(db: Db, request: web.Request, body: InviteIn) -> UserOut:
    """Add an account for an address and send it the link that confirms."""
    email = mailbox(body.email or "")
    return user_out(
        administration.invite(db, Engine.of(request.hub), email, body.data or {}, client(request))
    )


async def generate_link(request: web.Request, body: LinkIn) -> dict[str, Any]:
    """Make a link and the code beside it, to be sent by other means."""
    email = users.email(body.email or "")
    new_email = users.email(body.new_email) if body.new_email else None
    hash = None
    if body.type == "signup":
        if not body.password:
            raise Refusal(400, "validation_failed", "Signup requires a valid password")
        request.hub.passwords.check(body.password, email)
        hash = await request.hub.passwords.ahash(body.password)
    here = client(request, body.redirect_to)
    made = await request.call(
        administration.link,
        Engine.of(request.hub),
        body.type or "",
        email,
        here,
        hash=hash,
        new_email=new_email,
        data=body.data,
    )
    return {
        **user_out(made.account),
        "action_link": made.url,
        "email_otp": made.code,
        "hashed_token": made.token,
        "verification_type": made.kind,
        "redirect_to": made.redirect_to,
    }
