"""The runner itself: what it reads, and that every kind of assertion can fail."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

ANSWER = {"a": {"b": [1, 2, 3], "s": "text-42", "n": None, "t": True, "f": 1.5, "e": []}}


def answer(method: str, url: str, **options: Any) -> httpx.Response:
    """Says what it was sent, and `ANSWER`."""
    request = httpx.Request(method, url, **options)
    body = request.read().decode()
    sent = {
        "method": method,
        "url": str(request.url),
        "body": body,
        "auth": request.headers.get("authorization"),
    }
    return httpx.Response(
        int(request.headers.get("status", 200)),
        json=ANSWER | {"sent": sent, "type": request.headers.get("content-type")},
    )


def run(hurl: Any, text: str, **variables: Any) -> Any:
    return hurl.Run(answer, {"host": "http://x", **variables}).run(text, "f.hurl")


def test_a_whole_file(hurl: Any) -> None:
    report = run(
        hurl,
        """# First
POST {{host}}/a?x={{n}}
Authorization: Bearer {{ token }}
{
  "name": "{{token}}", "n": {{n}}
}
HTTP 200
Content-Type: application/json
[Captures]
answer: jsonpath "$.a.s" regex "-([0-9]+)" toInt
[Asserts]
jsonpath "$.sent.auth" == "Bearer T"
jsonpath "$.type" == "application/json"
jsonpath "$.sent.url" endsWith "/a?x=7"
jsonpath "$.sent.body" contains "\\"n\\": 7"
jsonpath "$.a.b" count == 3
jsonpath "$.a.b[-1]" == 3
jsonpath "$.a.*" isList
header "Content-Length" exists

GET {{host}}/b
[Query]
q: {{answer}}
HTTP *
[Asserts]
jsonpath "$.sent.url" matches /q=\\d+$/
variable "answer" == 42
status < 300
""",
        token="T",
        n=7,
    )  # fmt: skip
    assert report.failures == []
    assert (report.requests, report.assertions) == (2, 14)


HOLD = """== 1|jsonpath "$.a.b[0]"
!= 2|jsonpath "$.a.b[0]"
>= 1|jsonpath "$.a.b[0]"
<= 1|jsonpath "$.a.b[0]"
> 0|jsonpath "$.a.b[0]"
< 1.5|jsonpath "$.a.b[0]"
== null|jsonpath "$.a.n"
== true|jsonpath "$.a.t"
isString|jsonpath "$.a.s"
isInteger|jsonpath "$.a.b[1]"
isFloat|jsonpath "$.a.f"
isNumber|jsonpath "$.a.f"
isBoolean|jsonpath "$.a.t"
isList|jsonpath "$.a.b"
isCollection|jsonpath "$.a"
isObject|jsonpath "$.a"
isEmpty|jsonpath "$.a.e"
exists|jsonpath "$.a.n"
contains 2|jsonpath "$.a.b"
startsWith "te"|jsonpath "$.a.s"
matches "^t.*[0-9]{2}$"|jsonpath "$.a.s"
not exists|jsonpath "$.a.zzz"
not isEmpty|jsonpath "$.a.b"
== 3|jsonpath "$.a.b" count"""


@pytest.mark.parametrize("line", HOLD.split("\n"))
def test_each_predicate_holds_and_its_contrary_fails(hurl: Any, line: str) -> None:
    predicate, query = line.split("|")
    contrary = predicate.removeprefix("not ") if predicate.startswith("not ") else f"not {predicate}"
    text = "GET {{host}}/\nHTTP 200\n[Asserts]\n%s %s\n"
    assert run(hurl, text % (query, predicate)).failures == []
    failed = run(hurl, text % (query, contrary))
    assert len(failed.failures) == 1 and failed.assertions == 2


@pytest.mark.parametrize(
    "line",
    [
        'jsonpath "$.a.t" == 1',
        'jsonpath "$.a.zzz" == null',
        'jsonpath "$.a.zzz" != 1',
        'jsonpath "$.a.s" == 5',
        'jsonpath "$.a.s" >= 1',
        'jsonpath "$.a.t" isInteger',
        'jsonpath "$.a.zzz" count == 0',
        'jsonpath "$.a.b" contains "2"',
        'header "X-None" exists',
    ],
)
def test_what_does_not_hold_fails(hurl: Any, line: str) -> None:
    assert len(run(hurl, f"GET {{{{host}}}}/\nHTTP 200\n[Asserts]\n{line}\n").failures) == 1


def test_a_wrong_status_header_or_body_fails_and_the_run_goes_on(hurl: Any) -> None:
    text = "GET {{host}}/\nstatus: 404\nHTTP 200\nX-None: 1\n\nGET {{host}}/\nHTTP 200\n{}\n\nGET {{host}}/\nHTTP 200\n"
    report = run(hurl, text)
    assert report.requests == 3
    assert [f.split(" ")[0] for f in report.failures] == ["f.hurl:1", "f.hurl:1", "f.hurl:6"]


def test_what_was_not_captured_fails_where_it_is_used(hurl: Any) -> None:
    text = 'GET {{host}}/\nHTTP 200\n[Captures]\nx: jsonpath "$.zzz"\n\nGET {{host}}/{{x}}\nHTTP 200\n'
    report = run(hurl, text)
    assert len(report.failures) == 2 and "there is no variable 'x'" in report.failures[1]


@pytest.mark.parametrize(
    "text",
    [
        "HELLO {{host}}/\n",
        "GET {{host}}/\nnot a header\n",
        "POST {{host}}/\n{\n",
        "POST {{host}}/\n```\nabc\n",
        'GET {{host}}/\nHTTP 200\n[Asserts]\njsonpath "$.a"\n',
        'GET {{host}}/\nHTTP 200\n[Asserts]\nxpath "//a" exists\n',
        'GET {{host}}/\nHTTP 200\n[Asserts]\njsonpath "$..a" exists\n',
        'GET {{host}}/\nHTTP 200\n[Asserts]\njsonpath "$.a" frobnicate == 1\n',
        'GET {{host}}/\nHTTP 200\n[Asserts]\njsonpath "$.a" == 1 2\n',
    ],
)
def test_what_it_does_not_know_is_an_error_not_skipped(hurl: Any, text: str) -> None:
    with pytest.raises(hurl.HurlError):
        run(hurl, text)


def test_bodies(hurl: Any) -> None:
    text = 'POST {{host}}/\nContent-Type: text/plain\n```\n{"not": json\n```\nHTTP 200\n[Asserts]\njsonpath "$.type" == "text/plain"\n'
    assert run(hurl, text).failures == []
    (entry,) = hurl.parse('PUT {{host}}/\n[\n  {"a": "}"},\n  2\n]\nHTTP 204\n')
    assert json.loads(entry.body) == [{"a": "}"}, 2] and entry.is_json
    form = run(hurl, 'POST {{host}}/\n[Form]\na: 1\nHTTP 200\n[Asserts]\njsonpath "$.sent.body" == "a=1"\n')
    assert form.failures == []
