"""`serve cinema`: the first administrator, who makes others."""

from __future__ import annotations

from backendhub.kit import accounts
from backendhub.kit.errors import Invalid
from backendhub.kit.hub import Hub

from .service import workspaces
from .zone import zone_of


def prepare(hub: Hub) -> None:
    """Makes the cinema's workspace, and the account of `cinema.admin` where there is none; one that exists is left as it is. Raises Invalid, Weak."""
    zone_of(hub.settings)
    if not 1 <= hub.settings.number("cinema.hold_minutes") <= 60 * 24:
        raise Invalid("cinema.hold_minutes is between 1 and 1440.")
    hub.unit(workspaces.own)
    email, password = hub.settings.get("cinema.admin"), hub.settings.get("cinema.admin_password")
    if not email:
        return
    if hub.read(accounts.by_email, email) is not None:
        return
    if not password:
        raise Invalid(f"There is no account {email}: cinema.admin_password makes it.")
    from .wire import ADMIN  # not before it is needed: whoever serves everything waits for this module

    hub.passwords.check(password, email)
    hash = hub.passwords.hash(password)
    hub.unit(accounts.add, email=email, roles=[ADMIN], password_hash=hash, email_confirmed=True)
    hub.output.note(f"{email} is the cinema's administrator.")
