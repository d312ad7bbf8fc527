"""`POST /json` ahead of the application: what is asked before every request of somebody else has to be quick."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from pydantic_core import to_json

from backendhub.kit import edge
from backendhub.kit.limits import MemoryLimits

from . import board as boards
from . import rls
from .models import Verdict

hot = edge.Edge()
MAX_BODY = 256 * 1024
FIELDS = [(b"content-type", b"application/json")]


@hot.route("POST", "/json", max_body=MAX_BODY)
def should_rate_limit(request: edge.Request) -> edge.Answer:
    """The same as the route of this path in `api.py`."""
    engine = boards.of(request.hub).engine
    asked = rls.request(request.body)
    if isinstance(engine.limits, MemoryLimits):
        if (plain := engine.plain(*asked)) is not None:
            match, rule, cost = plain
            return told(engine.judged(match, engine.limits.hit(match.key, rule, cost), cost))
        return told(_at_once(engine.check(*asked)))
    return _later(engine.check(*asked))


async def _later(checking: Coroutine[Any, Any, Verdict]) -> edge.Response:
    return told(await checking)


def _at_once(checking: Coroutine[Any, Any, Verdict]) -> Verdict:
    """The result of a coroutine that waits for nothing, as counts in memory never do."""
    try:
        checking.send(None)
    except StopIteration as done:
        verdict: Verdict = done.value
        return verdict
    raise RuntimeError("Counts in memory wait for nobody.")


def told(verdict: Verdict) -> edge.Response:
    """A verdict as Envoy's service answers it."""
    return edge.Response(429 if verdict.over else 200, FIELDS, to_json(rls.response(verdict)))
