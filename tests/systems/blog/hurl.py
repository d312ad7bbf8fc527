"""Runs files in the format of Hurl (hurl.dev): requests, captures, variables, assertions.

Of the format: methods, URLs, headers, `[Query]`, `[Form]`, JSON and ``` bodies; `HTTP 200`, `HTTP *`, expected headers and
an expected JSON body; `[Captures]`; `[Asserts]` with the queries and predicates below. Whatever it does not know is an
error of the file, never skipped.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

METHODS = r"^(GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS) (\S+)$"
STATUS = r"^HTTP(?:/[\d.]+)? (\d{3}|\*)$"
QUERIES = "status|header|jsonpath|variable|body"


class HurlError(Exception):
    """A file that cannot be read, or a variable that is not there."""


class _Missing:
    """What a query finds where there is nothing."""

    def __repr__(self) -> str:
        return "nothing"


MISSING = _Missing()


@dataclass
class Entry:
    """One request and what is expected of its response."""

    line: int
    method: str
    url: str
    title: str = ""
    headers: list[tuple[str, str]] = field(default_factory=list)
    query: list[tuple[str, str]] = field(default_factory=list)
    form: list[tuple[str, str]] = field(default_factory=list)
    body: str | None = None
    is_json: bool = False
    status: str | None = None
    expect_headers: list[tuple[int, str, str]] = field(default_factory=list)
    expect_body: str | None = None
    captures: list[tuple[int, str, str]] = field(default_factory=list)
    asserts: list[tuple[int, str]] = field(default_factory=list)


@dataclass
class Report:
    """What a run found."""

    requests: int = 0
    assertions: int = 0
    failures: list[str] = field(default_factory=list)

    def __iadd__(self, other: Report) -> Report:
        self.requests += other.requests
        self.assertions += other.assertions
        self.failures += other.failures
        return self


# -- reading a file ----------------------------------------------------------------------------------------


class _Lines:
    """Lines with their numbers; comments and empty ones passed over where the format allows them."""

    def __init__(self, text: str) -> None:
        self.lines = text.split("\n")
        self.at = 0
        self.comment = ""

    def peek(self) -> str | None:
        while self.at < len(self.lines):
            line = self.lines[self.at].strip()
            if line and not line.startswith("#"):
                return line
            if line.startswith("#"):
                self.comment = line.lstrip("# ")
            self.at += 1
        return None

    def take(self) -> str:
        line = self.peek()
        assert line is not None
        self.at += 1
        return line


def parse(text: str) -> list[Entry]:
    """The entries of a file. Raises HurlError naming the line."""
    lines = _Lines(text)
    entries: list[Entry] = []
    while (line := lines.peek()) is not None:
        match = re.match(METHODS, line)
        if match is None:
            raise HurlError(f"line {lines.at + 1}: a request was expected, not {line!r}")
        lines.take()
        entry = Entry(lines.at, match[1], match[2], title=lines.comment)
        lines.comment = ""
        _part(lines, entry, request=True)
        if (line := lines.peek()) is not None and (found := re.match(STATUS, line)):
            lines.take()
            entry.status = found[1]
            _part(lines, entry, request=False)
        entries.append(entry)
    return entries


def _part(lines: _Lines, entry: Entry, *, request: bool) -> None:
    """Headers, sections and body of a request, or of a response."""
    section = "Headers"
    while (line := lines.peek()) is not None:
        if re.match(METHODS, line) or re.match(STATUS, line):
            return
        if line in ("[Captures]", "[Asserts]") or (
            request and line in ("[Query]", "[QueryStringParams]", "[Form]", "[FormParams]")
        ):
            section = lines.take().strip("[]").removesuffix("StringParams").removesuffix("Params")
        elif section == "Headers" and line[0] in "{[" and not line.startswith("{{"):
            _set_body(entry, _json(lines), request, is_json=True)
        elif section == "Headers" and line.startswith("```"):
            _set_body(entry, _fenced(lines), request, is_json=False)
        elif section == "Asserts":
            entry.asserts.append((lines.at + 1, lines.take()))
        else:
            number = lines.at + 1
            name, colon, value = lines.take().partition(":")
            if not colon:
                raise HurlError(f"line {number}: cannot read {line!r}")
            _add(entry, section, number, name.strip(), value.strip(), request)


def _add(entry: Entry, section: str, number: int, name: str, value: str, request: bool) -> None:
    if section == "Captures":
        entry.captures.append((number, name, value))
    elif section in ("Query", "Form"):
        getattr(entry, section.lower()).append((name, value))
    elif request:
        entry.headers.append((name, value))
    else:
        entry.expect_headers.append((number, name, value))


def _set_body(entry: Entry, text: str, request: bool, *, is_json: bool) -> None:
    if request:
        entry.body, entry.is_json = text, is_json
    else:
        entry.expect_body = text


def _json(lines: _Lines) -> str:
    """A JSON value over as many lines as it takes; templates in it need not be in quotes."""
    start = lines.at
    text = ""
    while lines.at < len(lines.lines):
        text += lines.lines[lines.at] + "\n"
        lines.at += 1
        try:
            json.loads(re.sub(r'(?<!")\{\{\s*\w+\s*\}\}(?!")', "0", text))
            return text.strip()
        except ValueError:
            continue
    raise HurlError(f"line {start + 1}: this JSON has no end")


def _fenced(lines: _Lines) -> str:
    start = lines.at
    lines.at += 1
    body: list[str] = []
    while lines.at < len(lines.lines):
        line = lines.lines[lines.at]
        lines.at += 1
        if line.strip() == "```":
            return "\n".join(body) + "\n"
        body.append(line)
    raise HurlError(f"line {start + 1}: this body has no end")


# -- queries -----------------------------------------------------------------------------------------------

_STEP = (
    r"""\.\.|\.(?P<name>[A-Za-z_][\w-]*)|\.\*|\[(?P<index>-?\d+)\]|\[\*\]|\[['"](?P<quoted>[^'"]+)['"]\]"""
)


def jsonpath(value: Any, path: str) -> Any:
    """What a path (RFC 9535: names, indexes, wildcards) finds; a list of all where it has a wildcard."""
    if not path.startswith("$"):
        raise HurlError(f"{path!r} is no JSONPath")
    found, many, at = [value], False, 1
    while at < len(path):
        step = re.compile(_STEP).match(path, at)
        if step is None or step[0] == "..":
            raise HurlError(f"{path!r}: cannot read {path[at:]!r}")
        at = step.end()
        if step["index"] is not None:
            index = int(step["index"])
            found = [v[index] for v in found if isinstance(v, list) and -len(v) <= index < len(v)]
        elif (name := step["name"] or step["quoted"]) is not None:
            found = [v[name] for v in found if isinstance(v, dict) and name in v]
        else:
            many = True
            found = [
                w
                for v in found
                for w in (v.values() if isinstance(v, dict) else v if isinstance(v, list) else ())
            ]
    return found if many else found[0] if found else MISSING


def _tokens(text: str) -> list[str]:
    """Words, quoted strings and templates of an assertion."""
    tokens = re.findall(r'"(?:[^"\\]|\\.)*"|/(?:[^/\\]|\\.)+/|\{\{\s*\w+\s*\}\}|\S+', text)
    if "".join(tokens).replace(" ", "") != text.replace(" ", ""):
        raise HurlError(f"cannot read {text!r}")
    return tokens


_KIND: dict[str, Callable[[Any], bool]] = {
    "isString": lambda v: isinstance(v, str),
    "isInteger": lambda v: isinstance(v, int) and not isinstance(v, bool),
    "isFloat": lambda v: isinstance(v, float),
    "isNumber": lambda v: isinstance(v, (int, float)) and not isinstance(v, bool),
    "isBoolean": lambda v: isinstance(v, bool),
    "isList": lambda v: isinstance(v, list),
    "isCollection": lambda v: isinstance(v, (list, dict)),
    "isObject": lambda v: isinstance(v, dict),
    "isEmpty": lambda v: isinstance(v, (str, list, dict)) and len(v) == 0,
    "isIsoDate": lambda v: isinstance(v, str) and re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", v) is not None,
    "exists": lambda v: v is not MISSING,
}  # fmt: skip


def _number(value: Any) -> bool:
    return _KIND["isNumber"](value)


def _same(a: Any, b: Any) -> bool:
    """JSON's equality: true is not 1."""
    return isinstance(a, bool) == isinstance(b, bool) and a is not MISSING and bool(a == b)


def _contains(a: Any, b: Any) -> bool:
    if isinstance(a, str):
        return isinstance(b, str) and b in a
    return isinstance(a, list) and any(_same(v, b) for v in a)


_TEST: dict[str, Callable[[Any, Any], bool]] = {
    "==": _same,
    "!=": lambda a, b: a is not MISSING and not _same(a, b),
    ">": lambda a, b: _number(a) and _number(b) and a > b,
    ">=": lambda a, b: _number(a) and _number(b) and a >= b,
    "<": lambda a, b: _number(a) and _number(b) and a < b,
    "<=": lambda a, b: _number(a) and _number(b) and a <= b,
    "contains": _contains,
    "startsWith": lambda a, b: isinstance(a, str) and a.startswith(b),
    "endsWith": lambda a, b: isinstance(a, str) and a.endswith(b),
    "matches": lambda a, b: isinstance(a, str) and re.search(b, a) is not None,
}


class Run:
    """One file against one server: `send(method, url, headers, content)` gives status, headers and body."""

    def __init__(self, send: Callable[..., Any], variables: dict[str, Any]) -> None:
        self.send = send
        self.variables = dict(variables)
        self.report = Report()

    def run(self, text: str, name: str = "") -> Report:
        """Runs every entry in order; one that fails does not end the run."""
        for entry in parse(text):
            where = f"{name}:{entry.line} {entry.method} {entry.url}" + (
                f" ({entry.title})" if entry.title else ""
            )
            self._entry(entry, where)
        return self.report

    def render(self, text: str) -> str:
        """A text with its `{{variables}}` filled in."""

        def value(match: re.Match[str]) -> str:
            found = self._variable(match[1])
            return found if isinstance(found, str) else json.dumps(found)

        return re.sub(r"\{\{\s*(\w+)\s*\}\}", value, text)

    def _variable(self, name: str) -> Any:
        if name not in self.variables:
            raise HurlError(f"there is no variable {name!r}")
        return self.variables[name]

    def _entry(self, entry: Entry, where: str) -> None:
        try:
            response = self._request(entry)
        except HurlError as error:  # a capture before it has failed
            self.report.failures.append(f"{where}: {error}")
            return
        self.report.requests += 1
        if entry.status is not None:
            self._check(
                where,
                entry.status == "*" or response.status_code == int(entry.status),
                f"HTTP {entry.status}",
                response.status_code,
            )
        for number, name, expected in entry.expect_headers:
            actual = response.headers.get(name)
            self._check(
                f"{where}, line {number}", actual == self.render(expected), f"{name}: {expected}", actual
            )
        if entry.expect_body is not None:
            body = self._query(response, ["jsonpath", '"$"'])
            self._check(where, _same(body, json.loads(self.render(entry.expect_body))), "the body", body)
        for number, name, query in entry.captures:
            value = self._filtered(response, _tokens(query))
            if value is MISSING:
                self.report.failures.append(f"{where}, line {number}: nothing to capture as {name}")
            else:
                self.variables[name] = value
        for number, text in entry.asserts:
            self._assert(f"{where}, line {number}", text, response)

    def _request(self, entry: Entry) -> Any:
        headers = {name: self.render(value) for name, value in entry.headers}
        content = None if entry.body is None else self.render(entry.body).encode()
        if entry.is_json and "content-type" not in {n.lower() for n in headers}:
            headers["Content-Type"] = "application/json"
        options: dict[str, Any] = (
            {"params": [(n, self.render(v)) for n, v in entry.query]} if entry.query else {}
        )
        if entry.form:
            options["data"] = {n: self.render(v) for n, v in entry.form}
        else:
            options["content"] = content
        return self.send(entry.method, self.render(entry.url), headers=headers, **options)

    # -- assertions ----------------------------------------------------------------------------------------

    def _check(self, where: str, holds: bool, expected: str, actual: Any) -> None:
        self.report.assertions += 1
        if not holds:
            self.report.failures.append(f"{where}: expected {expected}, got {str(actual)[:200]!r}")

    def _assert(self, where: str, text: str, response: Any) -> None:
        tokens = _tokens(text)
        at = next((i for i, t in enumerate(tokens) if i and (t == "not" or t in _TEST or t in _KIND)), None)
        if at is None:
            raise HurlError(f"{where}: there is no predicate in {text!r}")
        actual = self._filtered(response, tokens[:at])
        negated = tokens[at] == "not"
        predicate, *values = tokens[at + negated :]
        if predicate in _KIND and not values:
            holds = _KIND[predicate](actual)
        elif predicate in _TEST and len(values) == 1:
            holds = _TEST[predicate](actual, self._literal(values[0]))
        else:
            raise HurlError(f"{where}: cannot read {text!r}")
        self._check(where, holds != negated, text, actual)

    def _literal(self, token: str) -> Any:
        """The value that a word of an assertion stands for; a template in it keeps its type."""
        if match := re.fullmatch(r"\{\{\s*(\w+)\s*\}\}", token):
            return self._variable(match[1])
        if token.startswith("/") and token.endswith("/"):
            return token[1:-1].replace("\\/", "/")
        value = json.loads(token)
        return self.render(value) if isinstance(value, str) else value

    def _filtered(self, response: Any, tokens: list[str]) -> Any:
        """A query and the filters behind it."""
        width = 1 if tokens[0] in ("status", "body") else 2
        value = self._query(response, tokens[:width])
        rest: Iterator[str] = iter(tokens[width:])
        for name in rest:
            if value is MISSING:
                return MISSING
            if name == "count":
                value = len(value) if isinstance(value, (list, dict)) else MISSING
            elif name == "toInt":
                value = int(value)
            elif name == "nth":
                index = int(next(rest))
                value = value[index] if index < len(value) else MISSING
            elif name == "regex":
                match = re.search(self._literal(next(rest)), value)
                value = match[1] if match else MISSING
            else:
                raise HurlError(f"there is no filter {name!r}")
        return value

    def _query(self, response: Any, tokens: list[str]) -> Any:
        kind = tokens[0]
        if kind == "status":
            return response.status_code
        if kind == "body":
            return response.text
        argument = self._literal(tokens[1])
        if kind == "header":
            return response.headers.get(argument, MISSING)
        if kind == "variable":
            return self._variable(argument)
        if kind == "jsonpath":
            try:
                return jsonpath(response.json(), argument)
            except ValueError:
                return MISSING
        raise HurlError(f"there is no query {kind!r} ({QUERIES})")
