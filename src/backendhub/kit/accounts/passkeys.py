"""Passkeys (WebAuthn level 3): keys that authenticators hold, for signing in without a password or as a second factor."""

from __future__ import annotations

import os
from base64 import urlsafe_b64encode
from typing import Any, NamedTuple

from backendhub.kit import clock
from backendhub.kit.db import Db
from backendhub.kit.errors import Invalid
from backendhub.kit.ids import uuid7

from . import factors, store
from .models import Challenge, Factor, Passkey, User

CREATE, GET, FACTOR = "passkey-create", "passkey-get", "webauthn"
"""Kinds of challenges."""


class Party(NamedTuple):
    """Who asks: the domain that keys are bound to, the name that authenticators show, and the pages that may ask."""

    id: str
    name: str
    origins: tuple[str, ...]


class Asked(NamedTuple):
    """A challenge and what the browser is given for it."""

    challenge: Challenge
    options: dict[str, Any]


def ask_to_create(
    db: Db, party: Party, user: User, *, factor: Factor | None = None, ip: str | None = None
) -> Asked:
    """Asks an authenticator for a new key of an account; for a `factor` it need not be discoverable."""
    from webauthn import generate_registration_options
    from webauthn.helpers import structs
    from webauthn.helpers.options_to_json_dict import options_to_json_dict

    required = structs.ResidentKeyRequirement.REQUIRED
    options = generate_registration_options(
        rp_id=party.id,
        rp_name=party.name,
        user_id=user.id.encode(),
        user_name=user.email or user.label,
        user_display_name=user.name or user.label,
        challenge=os.urandom(32),
        authenticator_selection=structs.AuthenticatorSelectionCriteria(
            resident_key=structs.ResidentKeyRequirement.DISCOURAGED if factor else required,
            require_resident_key=factor is None,
            user_verification=structs.UserVerificationRequirement.PREFERRED,
        ),
        exclude_credentials=[_described(key) for key in _all(db, user.id)],
    )
    kind = FACTOR if factor else CREATE
    asked = factors.challenge(db, kind, user_id=user.id, factor=factor, data=_text(options.challenge), ip=ip)
    return Asked(asked, options_to_json_dict(options))


def ask(db: Db, party: Party, *, factor: Factor | None = None, ip: str | None = None) -> Asked:
    """Asks for an answer with a key: any that is discoverable, or the one of a factor."""
    from webauthn import generate_authentication_options
    from webauthn.helpers.options_to_json_dict import options_to_json_dict

    credential = db.value(store.CREDENTIAL_OF, id=factor.id) if factor else None
    known = find(db, credential) if credential else None
    options = generate_authentication_options(
        rp_id=party.id, challenge=os.urandom(32), allow_credentials=[_described(known)] if known else None
    )
    asked = factors.challenge(
        db, FACTOR if factor else GET, factor=factor, data=_text(options.challenge), ip=ip
    )
    return Asked(asked, options_to_json_dict(options))


def create(
    db: Db,
    party: Party,
    challenge: Challenge,
    credential: dict[str, Any],
    *,
    name: str = "Passkey",
    factor: Factor | None = None,
) -> Passkey | None:
    """Keeps a new key, where the answer of its authenticator is right; None where it is not, or the key is known."""
    from webauthn import base64url_to_bytes, verify_registration_response
    from webauthn.helpers.exceptions import WebAuthnException

    try:
        made = verify_registration_response(
            credential=credential,
            expected_challenge=base64url_to_bytes(challenge.data),
            expected_rp_id=party.id,
            expected_origin=list(party.origins),
        )
    except (WebAuthnException, ValueError, TypeError, KeyError):
        return None
    transports = credential.get("response", {}).get("transports") or []
    key = db.one(
        Passkey,
        store.INSERT_PASSKEY,
        id=uuid7(),
        user_id=challenge.user_id,
        credential_id=_text(made.credential_id),
        public_key=_text(made.credential_public_key),
        sign_count=made.sign_count,
        name=name,
        aaguid=made.aaguid,
        transports=[str(t)[:20] for t in transports][:8] if isinstance(transports, list) else [],
        backed_up=made.credential_backed_up,
        factor=factor is not None,
        now=clock.precise(),
    )
    if key is not None and factor is not None:
        db.run(store.FACTOR_CREDENTIAL, id=factor.id, credential=key.credential_id)
    return key


def answered(
    db: Db, party: Party, challenge: Challenge, credential: dict[str, Any], *, factor: Factor | None = None
) -> Passkey | None:
    """The key that an answer was made with, if it is right; a copied key, whose counter fell behind, is not."""
    from webauthn import base64url_to_bytes, verify_authentication_response
    from webauthn.helpers.exceptions import WebAuthnException

    key = find(db, str(credential.get("id", "")))
    if key is None or key.factor != (factor is not None):
        return None
    if factor is not None and db.value(store.CREDENTIAL_OF, id=factor.id) != key.credential_id:
        return None
    try:
        handle = credential.get("response", {}).get("userHandle")
        if handle and base64url_to_bytes(handle) != key.user_id.encode():
            return None
        right = verify_authentication_response(
            credential=credential,
            expected_challenge=base64url_to_bytes(challenge.data),
            expected_rp_id=party.id,
            expected_origin=list(party.origins),
            credential_public_key=base64url_to_bytes(key.public_key),
            credential_current_sign_count=key.sign_count,
        )
    except (WebAuthnException, ValueError, TypeError, KeyError, AttributeError):
        return None
    counted = db.run(
        store.PASSKEY_USED,
        id=key.id,
        count=right.new_sign_count,
        backed_up=right.credential_backed_up,
        now=clock.precise(),
    )
    return key if counted else None


def find(db: Db, credential_id: str) -> Passkey | None:
    """The key with this credential id, or None."""
    return db.one(Passkey, store.PASSKEY_BY_CREDENTIAL, credential=credential_id)


def of_user(db: Db, user_id: str) -> list[Passkey]:
    """The keys by which an account can be signed in to, oldest first."""
    return db.all(Passkey, store.PASSKEYS, user_id=user_id)


def rename(db: Db, user_id: str, id: str, name: str) -> Passkey | None:
    """A key with another name, or None where the account has no such key. Raises Invalid."""
    if not name.strip() or len(name) > 120:
        raise Invalid("A passkey's name has 1 to 120 characters.", field="name")
    return db.one(Passkey, store.NAME_PASSKEY, id=id, user_id=user_id, name=name.strip())


def remove(db: Db, user_id: str, id: str) -> bool:
    """Removes a key of an account; whether there was one."""
    return bool(db.run(store.DROP_PASSKEY, id=id, user_id=user_id))


def _all(db: Db, user_id: str) -> list[Passkey]:
    return db.all(Passkey, store.CREDENTIALS, user_id=user_id)


def _described(key: Passkey) -> Any:
    from webauthn import base64url_to_bytes
    from webauthn.helpers.structs import PublicKeyCredentialDescriptor

    return PublicKeyCredentialDescriptor(id=base64url_to_bytes(key.credential_id))


def _text(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()
