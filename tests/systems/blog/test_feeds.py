"""Feeds that readers can read, and Markdown that nobody can be hurt by."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit
from xml.etree import ElementTree as ET

import feedparser
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backendhub.kit.identity import Principal
from backendhub.systems.blog import demo, markdown
from backendhub.systems.blog.service import articles, guests

pytestmark = pytest.mark.usefixtures("frozen")
ATOM = "{http://www.w3.org/2005/Atom}"


@pytest.fixture
def http(client: Callable[..., Any], hub: Any) -> Any:
    """A client of the sample magazine."""
    made = client("blog")
    hub.unit(demo.load)
    return made


@pytest.mark.parametrize("kind", ["rss", "atom"])
def test_a_feed_reader_reads_it(http: Any, kind: str) -> None:
    answer = http.get(f"/feed.{kind}")
    assert answer.headers["content-type"] == f"application/{kind}+xml"
    feed = feedparser.parse(answer.content)
    assert not feed.bozo and feed.version == {"rss": "rss20", "atom": "atom10"}[kind]
    links = {link.rel: link.href for link in feed.feed.links}
    assert feed.feed.title == "Blog"
    assert links == {"self": f"http://testserver/feed.{kind}", "alternate": "http://testserver/posts"}
    assert len(feed.entries) == 20
    newest = feed.entries[0]
    assert newest.title == "What to sow before the frost is over" and newest.author == "tomas"
    assert [t.term for t in newest.tags] == ["Garden", "balcony", "vegetables"]
    assert newest.id.startswith("urn:uuid:") and newest.link == "http://testserver/posts/25"
    assert newest.published_parsed[:5] == (2026, 1, 3, 9, 0) and newest.summary.startswith("Broad beans")
    assert newest.content[0].value == "<p>Broad beans, spinach, optimism.</p>"
    assert len({e.id for e in feed.entries}) == 20


def test_rss_has_what_its_specification_asks_for(http: Any) -> None:
    channel = ET.fromstring(http.get("/feed.rss").content).find("channel")
    assert channel is not None
    assert all(channel.findtext(name) for name in ("title", "link", "description", "lastBuildDate"))
    for item in channel.iter("item"):
        guid = item.find("guid")
        assert guid is not None and guid.get("isPermaLink") == "false"
        assert re.fullmatch(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", item.findtext("pubDate") or "")
        assert item.findtext("title") and urlsplit(item.findtext("link") or "").scheme == "http"


def test_atom_has_what_rfc_4287_asks_for(http: Any) -> None:
    root = ET.fromstring(http.get("/feed.atom?tag=trains").content)
    entries = root.findall(f"{ATOM}entry")
    assert len(entries) == 4
    for element in (root, *entries):
        for name in ("id", "title", "updated"):  # exactly one of each (§4.1.1, §4.1.2)
            assert len(element.findall(ATOM + name)) == 1 and element.findtext(ATOM + name), name
        datetime.fromisoformat(element.findtext(f"{ATOM}updated") or "")
    for entry in entries:
        assert entry.findtext(f"{ATOM}author/{ATOM}name")
        assert [x.get("rel") for x in entry.findall(f"{ATOM}link")] == ["alternate"]
        content = entry.find(f"{ATOM}content")
        assert content is not None and content.get("type") == "html" and content.text
    assert {x.get("rel") for x in root.findall(f"{ATOM}link")} == {"self", "alternate"}
    assert root.findtext(f"{ATOM}title") == "Blog · trains"
    assert root.findtext(f"{ATOM}updated") == entries[0].findtext(f"{ATOM}updated")


JSON_FEED = {
    "type": "object",
    "required": ["version", "title", "items"],
    "properties": {
        "version": {"const": "https://jsonfeed.org/version/1.1"},
        "title": {"type": "string"},
        "home_page_url": {"type": "string", "format": "uri"},
        "feed_url": {"type": "string", "format": "uri"},
        "items": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["id", "content_html"],
                "properties": {
                    "id": {"type": "string"},
                    "url": {"type": "string", "format": "uri"},
                    "title": {"type": "string"},
                    "summary": {"type": "string"},
                    "content_html": {"type": "string"},
                    "date_published": {"type": "string", "format": "date-time"},
                    "date_modified": {"type": "string", "format": "date-time"},
                    "authors": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "minProperties": 1,
                            "properties": {"name": {"type": "string"}},
                        },
                    },
                    "tags": {"type": "array", "items": {"type": "string"}},
                },
            },
        },
    },
}  # of the text of jsonfeed.org/version/1.1


def test_json_feed_is_what_its_version_1_1_says(http: Any) -> None:
    import jsonschema

    answer = http.get("/feed.json?author=mei&limit=3")
    assert answer.headers["content-type"] == "application/feed+json"
    feed = answer.json()
    jsonschema.validate(feed, JSON_FEED, format_checker=jsonschema.FormatChecker())
    assert [i["authors"] for i in feed["items"]] == [[{"name": "mei"}]] * 3
    assert (
        feed["title"] == "Blog · mei" and feed["feed_url"] == "http://testserver/feed.json?author=mei&limit=3"
    )
    assert '<img src="http://testserver/images/dynamo-lamp.svg"' in feed["items"][0]["content_html"]


def test_an_unchanged_feed_is_not_sent_again(http: Any, hub: Any) -> None:
    tag = http.get("/feed.rss").headers["etag"]
    again = http.get("/feed.rss", headers={"If-None-Match": tag})
    assert (again.status_code, again.content) == (304, b"")
    hub.unit(lambda db: articles.add(db, guests.ensure(db), title="New", body="x"))
    assert http.get("/feed.rss", headers={"If-None-Match": tag}).status_code == 200


def test_an_empty_feed_is_one(client: Callable[..., Any]) -> None:
    http = client("blog")
    for kind in ("rss", "atom"):
        feed = feedparser.parse(http.get(f"/feed.{kind}").content)
        assert not feed.bozo and feed.entries == [] and feed.feed.title == "Blog"
    assert http.get("/feed.json").json()["items"] == []


def test_the_site_is_where_feeds_lead(http: Any, hub: Any) -> None:
    hub.settings.flags |= {"blog.site": "https://magazine.example/", "blog.title": "Magazine & Co"}
    feed = feedparser.parse(http.get("/feed.atom?tag=radio&limit=1").content)
    assert feed.feed.title == "Magazine & Co · radio"
    assert feed.entries[0].link == "https://magazine.example/article/a-lamp-from-a-dynamo"
    assert "https://magazine.example/images/dynamo-lamp.svg" in feed.entries[0].content[0].value


def test_text_that_xml_cannot_hold_breaks_no_feed(http: Any, hub: Any) -> None:
    bad = "a\x01\x0b\ufffe<&>]]>\U0001f980"
    who = hub.unit(guests.ensure)
    hub.unit(lambda db: articles.add(db, who, title=bad, body=bad, tags=[bad], category=bad, description=bad))
    for kind, name, title in (("rss", "item", "title"), ("atom", f"{ATOM}entry", f"{ATOM}title")):
        content = http.get(f"/feed.{kind}").content
        assert not feedparser.parse(content).bozo
        assert next(ET.fromstring(content).iter(name)).findtext(title) == "a<&>]]>\U0001f980"
    assert http.get("/feed.json").json()["items"][0]["title"] == bad


# -- Markdown ----------------------------------------------------------------------------------------------

ATTACKS = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](java&#x0A;script:alert(1))",
    "![x](data:text/html;base64,PHNjcmlwdD4=)",
    "<a href='vbscript:x'>x</a>",
    "<iframe src=//evil.example></iframe>",
    "<svg><script>alert(1)</script></svg>",
    "<math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>",
    "<form action=//evil.example><input name=password>",
    "<style>@import '//evil.example'</style>",
    "<p style='background:url(javascript:x)' onclick=alert(1)>x</p>",
    "<base href=//evil.example>",
    "<meta http-equiv=refresh content='0;url=javascript:x'>",
    "<object data=x></object><embed src=x>",
    "```html\n<script>alert(1)</script>\n```",
)
ACTIVE = re.compile(r"<(script|iframe|form|input|style|svg|math|base|meta|object|embed|link)|<[^>]*\son\w+=|<[^>]*(javascript|vbscript|data):", re.I)  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS)
def test_nothing_that_acts_gets_through(attack: str) -> None:
    for text in (attack, f"Hello {attack} there", f"> {attack}", f"| a |\n|---|\n| {attack} |"):
        for base in ("", "https://x.example/"):
            assert not ACTIVE.search(markdown.html(text, base)), markdown.html(text, base)


@given(st.text(alphabet=st.sampled_from("<>/\"'=&;:()[]!`*_#x \njavscriptonerhef"), max_size=80))
@settings(max_examples=200, deadline=None)
def test_nor_out_of_pieces(text: str) -> None:
    assert not ACTIVE.search(markdown.html(text))


def test_what_is_harmless_stays() -> None:
    text = "# A\n\n*b* **c** `d` ~~e~~ [f](/g) <em>h</em>\n\n| i |\n|---|\n| j |\n\n```python\nk\n```\n\n3. l"
    html = markdown.html(text, "https://x.example/blog/")
    for piece in (
        "<h1>A</h1>",
        "<em>b</em>",
        "<strong>c</strong>",
        "<code>d</code>",
        "<s>e</s>",
        '<a href="https://x.example/g" rel="noopener noreferrer nofollow">f</a>',
        "<em>h</em>",
        "<td>j</td>",
        '<code class="language-python">',
        '<ol start="3">',
    ):
        assert piece in html, piece


def test_excerpts() -> None:
    assert markdown.excerpt("# T\n\nOne *two*\nthree") == "T One two three"
    long = markdown.excerpt("word, " * 100)
    assert long.endswith("word…") and len(long) <= 201
    assert markdown.excerpt("x" * 300) == "x" * 200 + "…"
    assert markdown.excerpt("<b></b>") == "<b></b>" and markdown.excerpt("![](x.png)") == "![](x.png)"
    assert Principal("x", "x") is not guests.GUEST
