"""What is said beside the content: cross-origin rules, fields added and taken, ids, security fields."""

from __future__ import annotations

import re
from itertools import count
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode
from uuid import uuid4

from backendhub.kit.errors import Invalid

from .base import Answer, Context, Local, Options, Pairs, Plugin

METHODS = ("GET", "HEAD", "PUT", "PATCH", "POST", "DELETE", "OPTIONS", "TRACE", "CONNECT")


class CorrelationId(Plugin):
    """An id that goes with a request."""

    name, priority = "correlation-id", 100_001
    known = "header_name generator echo_downstream"

    def read(self, options: Options) -> None:
        """Which header, which ids."""
        self.header = options.text("header_name", "Kong-Request-ID")
        if not re.fullmatch(r"[A-Za-z0-9-]+", self.header):
            raise Invalid(f"{options.where}: {self.header!r} is no name of a header.")
        self.generator = options.choice("generator", "uuid#counter", "uuid", "tracker")
        self.echo = options.flag("echo_downstream")
        self.base, self.numbers = str(uuid4()), count(1)

    def access(self, context: Context) -> Answer:
        """Keeps an id that came, or makes one."""
        given = context.header(self.header.lower())
        made = str(uuid4()) if self.generator == "uuid" else f"{self.base}#{next(self.numbers)}"
        id = given if given and given.isprintable() and len(given) <= 200 else made
        context.set(self.header, id)
        if self.echo:
            context.early.append((self.header.lower().encode(), id.encode("latin-1", "replace")))
        return None


class Cors(Plugin):
    """Which pages of other origins may ask."""

    name, priority = "cors", 2000
    known = "origins methods headers exposed_headers credentials max_age preflight_continue private_network"

    def read(self, options: Options) -> None:
        """The rules; origins may be regular expressions, as in Kong."""
        self.origins = options.texts("origins", ("*",))
        self.patterns = []
        for origin in self.origins:
            if origin != "*" and re.search(r"[\\^$*+?\[({|]", origin):
                try:
                    self.patterns.append(re.compile(origin))
                except re.error as error:
                    raise Invalid(f"{options.where}: {origin!r} is no regular expression: {error}.") from None
        self.methods = options.texts("methods", METHODS)
        self.headers, self.exposed = options.texts("headers"), options.texts("exposed_headers")
        self.credentials = options.flag("credentials")
        self.age = options.number("max_age", None)
        self.goes_on = options.flag("preflight_continue")
        options.flag("private_network")

    def _allowed(self, origin: str) -> Pairs:
        """The fields for an origin; none where it is none of ours."""
        if "*" in self.origins:
            if not self.credentials:
                return [(b"access-control-allow-origin", b"*")]
        elif origin not in self.origins and not any(p.fullmatch(origin) for p in self.patterns):
            return []
        fields: Pairs = [(b"access-control-allow-origin", origin.encode("latin-1")), (b"vary", b"Origin")]
        return [*fields, (b"access-control-allow-credentials", b"true")] if self.credentials else fields

    def access(self, context: Context) -> Answer:
        """Answers preflights."""
        origin = context.header("origin")
        if origin is None:
            return None
        fields = self._allowed(origin)
        asked = context.header("access-control-request-method")
        if context.request.method != b"OPTIONS" or asked is None or self.goes_on:
            if fields and self.exposed:
                fields.append((b"access-control-expose-headers", ",".join(self.exposed).encode()))
            context.early += fields
            return None
        if fields:
            fields.append((b"access-control-allow-methods", ",".join(self.methods).encode()))
            wanted = ",".join(self.headers) or context.header("access-control-request-headers") or ""
            if wanted:
                fields.append((b"access-control-allow-headers", wanted.encode("latin-1")))
            if self.age is not None:
                fields.append((b"access-control-max-age", b"%d" % int(self.age)))
        return Local(200, fields)

    def respond(self, context: Context, status: int, headers: Pairs) -> Pairs:
        """The gateway's word stands, not the upstream's."""
        return [pair for pair in headers if not pair[0].startswith(b"access-control-allow-")]


class Edits:
    """Lists of `name:value`, as the transformers have them."""

    def __init__(self, options: Options, verb: str, what: str) -> None:
        self.pairs: list[tuple[str, str]] = []
        for text in options.texts(what):
            name, colon, value = text.partition(":")
            if not name or (verb != "remove" and not colon):
                raise Invalid(f"{options.where}: {text[:60]!r} is no name:value.")
            if what == "headers" and not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name):
                raise Invalid(f"{options.where}: {name[:60]!r} is no name of a header.")
            if re.search(r"[\r\n\0]", value):
                raise Invalid(f"{options.where}: a value has a line break in it.")
            self.pairs.append((name, value))


VERBS = ("remove", "rename", "replace", "add", "append")


def edited(pairs: list[tuple[str, str]], edits: dict[str, Edits], same: Any) -> list[tuple[str, str]]:
    """Names and values after remove, rename, replace, add, append: in this order, as Kong has it."""
    gone = {same(name) for name, _ in edits["remove"].pairs}
    found = [(name, value) for name, value in pairs if same(name) not in gone]
    for old, new in edits["rename"].pairs:
        found = [(new, value) if same(name) == same(old) else (name, value) for name, value in found]
    for name, value in edits["replace"].pairs:
        if any(same(n) == same(name) for n, _ in found):
            found = [(n, v) for n, v in found if same(n) != same(name)] + [(name, value)]
    for name, value in edits["add"].pairs:
        if not any(same(n) == same(name) for n, _ in found):
            found.append((name, value))
    return [*found, *edits["append"].pairs]


class RequestTransformer(Plugin):
    """Changes fields, parameters, the method and the path of requests."""

    name, priority = "request-transformer", 801
    known = "remove rename replace add append http_method"

    def read(self, options: Options) -> None:
        """What is changed."""
        inner = {
            verb: options.inner(verb, "headers querystring" + (" uri" if verb == "replace" else ""))
            for verb in VERBS
        }
        self.headers = {verb: Edits(given, verb, "headers") for verb, given in inner.items()}
        self.query = {verb: Edits(given, verb, "querystring") for verb, given in inner.items()}
        self.uri = inner["replace"].text("uri")
        self.method = options.text("http_method").upper()
        if self.uri and not re.fullmatch(r"/[^\s?#]*", self.uri):
            raise Invalid(f"{options.where}: replace.uri begins with a slash and has no query.")
        if self.method and not re.fullmatch("[A-Z]+", self.method):
            raise Invalid(f"{options.where}: http_method is a method.")

    def access(self, context: Context) -> Answer:
        """Changes what goes on."""
        if any(edits.pairs for edits in self.headers.values()):
            pairs = [(n.decode("latin-1"), v.decode("latin-1")) for n, v in context.headers]
            found = edited(pairs, self.headers, str.lower)
            host = [value for name, value in found if name.lower() == "host"]
            context.headers = [
                (n.lower().encode("latin-1"), v.encode("utf-8")) for n, v in found if n.lower() != "host"
            ]
            if host:
                context.host = host[-1].encode("latin-1")
        if any(edits.pairs for edits in self.query.values()):
            given = parse_qsl(context.query.decode("latin-1"), keep_blank_values=True)
            context.query = urlencode(edited(given, self.query, str)).encode()
        if self.uri:
            context.path = quote(self.uri, safe="/%:@!$&'()*+,;=-._~")
        if self.method:
            context.method = self.method.encode()
        return None


class ResponseTransformer(Plugin):
    """Changes the fields of answers."""

    name, priority = "response-transformer", 800
    known = "remove rename replace add append"

    def read(self, options: Options) -> None:
        """What is changed."""
        self.headers = {verb: Edits(options.inner(verb, "headers"), verb, "headers") for verb in VERBS}

    def respond(self, context: Context, status: int, headers: Pairs) -> Pairs:
        """Changes the fields."""
        pairs = [(n.decode("latin-1"), v.decode("latin-1")) for n, v in headers]
        return [
            (n.lower().encode("latin-1"), v.encode("latin-1", "replace"))
            for n, v in edited(pairs, self.headers, str.lower)
        ]


class SecurityHeaders(Plugin):
    """What browsers should be told (ours; the OWASP list), and what nobody needs to know."""

    name, priority = "security-headers", 790
    known = "hsts_max_age frame_options content_security_policy referrer_policy permissions_policy remove"

    def read(self, options: Options) -> None:
        """The values; an empty one leaves a field out."""
        age = int(options.number("hsts_max_age", 31_536_000))
        found = {
            "strict-transport-security": f"max-age={age}; includeSubDomains" if age else "",
            "x-content-type-options": "nosniff",
            "x-frame-options": options.text("frame_options", "DENY"),
            "content-security-policy": options.text(
                "content_security_policy",
                "default-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'",
            ),
            "referrer-policy": options.text("referrer_policy", "no-referrer"),
            "permissions-policy": options.text(
                "permissions_policy", "geolocation=(), camera=(), microphone=()"
            ),
            "cross-origin-opener-policy": "same-origin",
        }
        if any(re.search(r"[\r\n\0]", value) for value in found.values()):
            raise Invalid(f"{options.where}: a value has a line break in it.")
        self.fields = [(name.encode(), value.encode("latin-1")) for name, value in found.items() if value]
        self.remove = frozenset(
            n.lower().encode()
            for n in options.texts("remove", ("server", "x-powered-by", "x-aspnet-version"))
        )

    def respond(self, context: Context, status: int, headers: Pairs) -> Pairs:
        """Adds what the upstream does not say itself."""
        kept = [pair for pair in headers if pair[0] not in self.remove]
        said = {name for name, _ in kept}
        secure = context.request.scheme == "https"
        return kept + [
            pair
            for pair in self.fields
            if pair[0] not in said and (secure or pair[0] != b"strict-transport-security")
        ]
