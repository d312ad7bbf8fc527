"""Operations: a path, a table of parameters and a function of the service become a route.

operation("POST", "/v1/customers", customers.create, CREATE)                    # fn(db, params)
operation("POST", "/v1/customers/{id}", customers.edit, EDIT)                   # fn(db, id, params)
listing("customer", "/v1/customers", "email str")                               # a list with cursors and filters
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from backendhub.kit import web
from backendhub.kit.db import Db
from backendhub.kit.errors import Malformed
from backendhub.kit.hub import Hub
from backendhub.kit.states import IllegalMove
from backendhub.kit.web import replays
from backendhub.kit.web.replies import Sent, encoded
from backendhub.systems.payment import objects
from backendhub.systems.payment.errors import ApiError, CardError
from backendhub.systems.payment.models import Call, working_on

from . import forms, lists, versions
from .dialect import AUTHENTICATOR, Stripe, fields
from .expansion import expand
from .parameters import Parameters, parameters

Json = dict[str, Any]
Fn = Callable[..., Any]
EXPAND = parameters("expand list str 100")
NONE = parameters("")
JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
AS_FORM: Json = {
    "type": "object",
    "description": "The members of the JSON body as fields with nested names: `shipping[address][city]`, `items[0][price]`",
}
"""How the document tells of forms: what is in them is told once."""
DIALECT = Stripe()
router = web.Router(
    "Payments on Stripe's wire: works with Stripe's official clients. Forms with nested names, dated versions, `expand[]`, "
    "cursors, search, idempotency, signed webhooks; money in a double-entry ledger. `/_check` looks at every invariant.",
    cors=True,
)
v1 = router.family("/v1", dialect=DIALECT, auth=AUTHENTICATOR, guard=web.require())
_tables: dict[tuple[str, str], tuple[Parameters, str]] = {}


def tables() -> Mapping[tuple[str, str], tuple[Parameters, str]]:
    """The parameters of every operation, by method and path."""
    return _tables


def operation(
    method: str, path: str, fn: Fn, given: Parameters = NONE, *, says: str = "", reads: bool | None = None
) -> None:
    """Serves `fn(db, *names in the path, params)` at a path. `says` is its line in the document."""
    whole = (given | EXPAND).narrow() if method != "POST" else given | EXPAND
    writes = method != "GET" if reads is None else not reads
    names = re.findall(r"\{(\w+)\}", path)

    def endpoint(db: Db, request: web.Request, **values: str) -> Any:
        call = _call(request, method, path, tuple(values[n] for n in names))

        def work() -> Sent:
            return _answer(
                db, request, call, lambda params: fn(db, *(values[n] for n in names), params), whole
            )

        if writes and method == "POST" and call.key is not None:
            return _once(db, request, work)
        return work()

    endpoint.__name__ = _name(method, path)
    endpoint.__doc__ = says or (inspect.getdoc(fn) or "").split("\n", 1)[0]
    endpoint.__annotations__ = {"db": Db, "request": web.Request, **dict.fromkeys(names, str), "return": Any}
    word = inspect.Parameter.POSITIONAL_OR_KEYWORD
    endpoint.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [
            inspect.Parameter(n, word, annotation=a)
            for n, a in endpoint.__annotations__.items()
            if n != "return"
        ]
    )
    options: Json = {"open_query": True, "status": 200, "statuses": (400, 402, 404, 409)}
    if method == "POST":
        options["consumes"] = ("*/*",)
    v1.add(method, path.removeprefix("/v1"), **options)(endpoint)
    _tables[method, path] = (whole, method)


def listing(kind: str, path: str, filters: str = "", *, also: Fn | None = None, says: str = "") -> None:
    """Serves the list of a kind. `filters` is a table of what it may be filtered by, each an indexed field; `also(db,
    *names in the path)` gives further conditions."""
    table = parameters(lists.LISTING) | parameters("created range") | parameters(filters)

    def fn(db: Db, *args: Any) -> Json:
        *names, params = args
        more = also(db, *names) if also is not None else None
        url = path
        for value in names:
            url = re.sub(r"\{\w+\}", lambda _, v=value: v, url, count=1)  # type: ignore[misc]
        return lists.page(db, kind, params, url=url, also=more)

    operation("GET", path, fn, table, says=says or f"List objects of the kind {kind}, the newest first.")


def searching(kind: str, path: str) -> None:
    """Serves the search for a kind."""

    def fn(db: Db, params: Json) -> Json:
        return lists.search(db, kind, params, url=path)

    operation("GET", path, fn, parameters(lists.SEARCHING), says=f"Search objects of the kind {kind}.")


def retrieving(kind: str, path: str, *, deleted: bool = False, param: str = "id") -> None:
    """Serves an object by its id; `deleted` gives the stub of one that is gone."""

    def fn(db: Db, id: str, params: Json) -> Json:
        found = objects.find(db, kind, id) if deleted else None
        return found or objects.get(db, kind, id, param=param)

    operation("GET", path, fn, says=f"Read an object of the kind {kind}.")


# -- a request ---------------------------------------------------------------------------------------------


def _call(request: web.Request, method: str = "GET", path: str = "", owners: tuple[str, ...] = ()) -> Call:
    return Call(
        writes=method != "GET",
        verb=path.rpartition("/")[2].strip("{}"),
        owners=owners,
        request_id=fields(request)["Request-Id"],
        key=request.header("idempotency-key") if request.method == "POST" else None,
        base_url=request.base_url,
        version=versions.asked(request.header("stripe-version")),
        fixtures=request.hub.settings.get("payment.fixtures") == "stripe",
    )


@contextmanager
def calling(request: web.Request) -> Iterator[None]:
    """Makes a request that is none of this wire's operations (a page) the one that is being worked on."""
    with working_on(_call(request)):
        yield


def _answer(db: Db, request: web.Request, call: Call, fn: Callable[[Json], Any], table: Parameters) -> Sent:
    """Reads the parameters, does the work and writes the answer. A refused card is an answer: what it wrote stays."""
    try:
        with working_on(call):
            params = table.read(given(request))
            paths = params.pop("expand", None) or []
            if call.fixtures and call.writes:
                objects.forget_samples(
                    db, [*call.owners, *(v for v in params.values() if isinstance(v, str))]
                )
            value = versions.shaped(db, expand(db, fn(params), paths), call.version)
    except CardError as error:
        return _sent(request, call, error.body(), error.status)
    except IllegalMove as error:
        raise ApiError(error.message, code="state_unexpected") from error
    return _sent(request, call, value)


def _sent(request: web.Request, call: Call, value: Any, status: int = 200) -> Sent:
    if isinstance(value, web.Reply):
        head = fields(request) | dict(value.headers)
        media = (value.media_type or JSON).encode()
        body = value.value if isinstance(value.value, bytes) else str(value.value).encode()
        return Sent(value.status or status, encoded(head), body, media)
    head = fields(request) | {"Stripe-Version": call.version}
    if call.key is not None:
        head["Idempotency-Key"] = call.key
    return Sent(
        status, encoded(head), json.dumps(value, ensure_ascii=False, indent=2).encode(), JSON.encode()
    )


def answered(request: web.Request, value: Json) -> Sent:
    """An answer of a route that is declared by hand."""
    return _sent(request, _call(request), value)


def _once(db: Db, request: web.Request, work: Callable[[], Sent]) -> Sent:
    """Does the work once for the key of a request. A repetition says which request was the first."""
    sent = replays.replayed(db, "payment", request, work)
    if (b"idempotent-replayed", b"true") in sent.headers:
        first = next((value for name, value in sent.headers if name == b"request-id"), b"")
        kept = [(name, value) for name, value in sent.headers if name != b"request-id"]
        fresh = fields(request)["Request-Id"].encode()
        sent.headers = [*kept, (b"request-id", fresh), (b"original-request", first)]
    return sent


def given(request: web.Request) -> Json:
    """What a request sends, in its query and its body, as nested names. Raises ApiError."""
    pairs = forms.pairs(request.query) if request.query else []
    if request.body:
        media = request.media_type
        if media == JSON:
            return forms.tree(pairs) | _of_json(request.body)
        if media not in (FORM, ""):
            raise ApiError(f"The body is {media[:100]}; send {FORM}.")
        try:
            pairs = [*pairs, *forms.pairs(request.body.decode("ascii"))]
        except UnicodeDecodeError:
            raise ApiError("The body has bytes in it that are not percent-encoded.") from None
    return forms.tree(pairs)


def _of_json(body: bytes) -> Json:
    """A JSON body as a form: for people at a terminal; Stripe's clients send forms."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        raise Malformed("The body is not JSON.") from None
    if not isinstance(value, dict):
        raise ApiError("The body is no object.")
    return {name: _as_form(each, _text(name, name[:100])) for name, each in value.items()}


def _as_form(value: Any, param: str) -> Any:
    """A value of JSON as forms have it; numbers and booleans stay what they are, so that a text is not taken for one."""
    if isinstance(value, dict):
        return {_text(k, param): _as_form(v, param) for k, v in value.items()}
    if isinstance(value, list):
        return [_as_form(each, param) for each in value]
    if isinstance(value, str):
        return _text(value, param)
    if value is None or isinstance(value, float):
        raise ApiError(
            f"Invalid value: {json.dumps(value)} (an empty string unsets a parameter)", param=param
        )
    return value


def _text(value: str, param: str) -> str:
    """A text, or the name of a field, that a database can hold: JSON can write some that none can."""
    if "\0" in value or any("\ud800" <= c <= "\udfff" for c in value):
        shown = None if value == param else param
        raise ApiError("Invalid string: it holds a NUL character or half of a surrogate pair", param=shown)
    return value


def _name(method: str, path: str) -> str:
    words = re.sub(r"\{(\w+)\}", r"by_\1", path.removeprefix("/v1/"))
    return f"{method.lower()}_{re.sub(r'[^a-z0-9]+', '_', words)}"


# -- the document ------------------------------------------------------------------------------------------


@router.describes
def describe(hub: Hub, document: Json) -> Json:
    """Adds the parameters of every operation to the document."""
    for (method, path), (table, _) in _tables.items():
        told = document["paths"].get(path, {}).get(method.lower())
        if told is None:
            continue
        schema = table.schema(
            method != "POST"
        )  # of a query no style says what is in the objects of an object
        if method == "POST":
            needed = bool(schema.get("required"))
            told["requestBody"] = {
                "required": needed,
                "content": {FORM: {"schema": AS_FORM}, JSON: {"schema": schema}},
            }
        else:
            told.setdefault("parameters", []).extend(_query(schema))
        ok = told["responses"]["200"]
        ok["content"] = {JSON: {"schema": {"type": "object"}}}
    return document


def _query(schema: Json) -> list[Json]:
    required = schema.get("required", [])
    return [
        {
            "name": name + "[]" * (each.get("type") == "array"),
            "in": "query",
            "required": name in required,
            "schema": each,
            **(
                {"style": "deepObject", "explode": True}
                if each.get("type") == "object" or "anyOf" in each
                else {}
            ),
        }
        for name, each in schema["properties"].items()
    ]
