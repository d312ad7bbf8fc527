"""`backendhub serve circuit-breaker breakers.yaml`: breakers, what they protect, and faults to see them open."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Annotated, Any

from fastapi import Path
from pydantic import BaseModel, Field

from backendhub.kit import web
from backendhub.kit.errors import Invalid
from backendhub.kit.hub import Hub
from backendhub.kit.web.fields import NO_NUL

from . import actuator, faults_api
from . import board as boards
from .guard import hot

router = web.Router(
    "Circuit breakers before real upstreams (`/guard/{name}/…`), shown and steered as resilience4j's actuator has it, and "
    "TCP proxies with faults on Toxiproxy's API.",
    edge=hot,
)
Name = Annotated[str, Path(pattern=NO_NUL, description="A breaker")]
STATES = (*actuator.UPDATES, *actuator.MORE, "RESET")


class UpdateIn(BaseModel):
    """What a breaker is to become."""

    updateState: str = Field(
        pattern=f"^({'|'.join(STATES)})$", description="CLOSE, FORCE_OPEN, DISABLE and more"
    )


@router.on_startup
def keep(hub: Hub) -> Coroutine[Any, Any, None]:
    """Ends the proxies when the server stops, and tells the metrics how the breakers are."""
    return _keep(hub)


async def _keep(hub: Hub) -> None:
    board = boards.of(hub)
    try:
        while True:
            if hub.metrics is not None:
                gauge = hub.metrics.gauges.setdefault("resilience4j_circuitbreaker_state", {})
                for breaker in board.breakers:
                    now = breaker.snapshot().state
                    for state in type(now):
                        gauge[f'name="{breaker.name}",state="{state.value.lower()}"'] = float(state is now)
            await asyncio.sleep(1)
    finally:
        board.proxies.close()


faults_api.declare(router)
actuators = router.family("/actuator")


@actuators.get("/")
def index(request: web.Request) -> dict[str, Any]:
    """The endpoints that there are, as Spring's discovery page."""
    base = request.base_url + "/actuator"
    names = ("health", "circuitbreakers", "circuitbreakerevents")
    links = {"self": {"href": base, "templated": False}}
    return {"_links": links | {name: {"href": f"{base}/{name}", "templated": False} for name in names}}


@actuators.get("/health", statuses=(503,), public=True)
def health(request: web.Request) -> web.Reply:
    """Spring's health: a breaker that is open and may fail makes it DOWN, and 503."""
    board = boards.of(request.hub)
    shown = [
        (board.guarded[b.name].breaker, board.guarded[b.name].instance.may_fail)
        for b in board.breakers
        if board.guarded[b.name].instance.health
    ]
    found = actuator.health(shown)
    return web.Reply(found, 503 if found["status"] == "DOWN" else 200)


@actuators.get("/circuitbreakers")
def list_breakers(request: web.Request) -> dict[str, Any]:
    """Every breaker."""
    return {"circuitBreakers": {b.name: actuator.details(b) for b in boards.of(request.hub).breakers}}


@actuators.get("/circuitbreakers/{name}", statuses=(404,))
def get_breaker(request: web.Request, name: Name) -> dict[str, Any]:
    """One breaker."""
    return actuator.details(boards.of(request.hub).find(name).breaker)


@actuators.post("/circuitbreakers/{name}", statuses=(404,))
def update_breaker(request: web.Request, name: Name, body: UpdateIn) -> dict[str, Any]:
    """Changes a breaker's state: `{"updateState": "FORCE_OPEN"}`."""
    breaker = boards.of(request.hub).find(name).breaker
    if body.updateState == "RESET":
        breaker.reset()
    else:
        breaker.force((actuator.UPDATES | actuator.MORE)[body.updateState])
    return {
        "circuitBreakerName": name,
        "currentState": breaker.snapshot().state.value,
        "message": f"{name} state has been changed successfully",
    }


events = router.family("/actuator/circuitbreakerevents")


@events.get("/")
def list_events(request: web.Request) -> dict[str, Any]:
    """The latest events of every breaker."""
    return actuator.events(boards.of(request.hub).breakers)


@events.get("/{name}", statuses=(404,))
def events_of(request: web.Request, name: Name) -> dict[str, Any]:
    """The latest events of one breaker."""
    return actuator.events([boards.of(request.hub).find(name).breaker])


@events.get("/{name}/{type}", statuses=(404, 422))
def events_of_type(
    request: web.Request, name: Name, type: Annotated[str, Path(pattern=NO_NUL)]
) -> dict[str, Any]:
    """The latest events of one type."""
    breaker = boards.of(request.hub).find(name).breaker
    if type.upper() not in actuator.TYPES:
        raise Invalid(f"There is no event {type[:40]!r}.", hint="one of " + ", ".join(actuator.TYPES))
    return actuator.events([breaker], type.upper())
