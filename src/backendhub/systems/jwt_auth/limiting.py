"""How often one may try: signing in and up, asking for mails, guessing codes. Counted for an address and for an account."""

from __future__ import annotations

from backendhub.kit import web
from backendhub.kit.accounts.users import folded
from backendhub.kit.limits import Rule, TooManyHits

PERIOD_S = 300
GUESSES = Rule(30, 900, name="guesses")
"""Passwords tried for one login, whoever tries and whether or not there is such an account."""


async def limited(request: web.Request, what: str, login: str | None = None) -> None:
    """Counts a try. Raises TooManyHits (429) before any work is done for it."""
    most = int(request.hub.settings.number("jwt_auth.limit"))
    if most < 1:
        return
    address = (request.scope.get("client") or ("-",))[0]
    pairs = [(f"jwt-auth:{what}:{address}", Rule(most, PERIOD_S, name=what))]
    if login is not None:
        pairs.append((f"jwt-auth:guess:{folded(login)[:254]}", GUESSES))
    decisions = await request.hub.tries.ahit_all(pairs)
    if not all(d.allowed for d in decisions):
        raise TooManyHits(decisions)


def slow(request: web.Request, what: str) -> None:
    """`limited` for a function that is not awaited."""
    most = int(request.hub.settings.number("jwt_auth.limit"))
    if most < 1:
        return
    address = (request.scope.get("client") or ("-",))[0]
    decision = request.hub.tries.hit(f"jwt-auth:{what}:{address}", Rule(most, PERIOD_S, name=what))
    if not decision.allowed:
        raise TooManyHits([decision])
