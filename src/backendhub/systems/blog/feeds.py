"""Articles for feed readers: RSS 2.0, Atom (RFC 4287) and JSON Feed 1.1, written with the standard library."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from xml.etree import ElementTree as ET

from backendhub.kit.clock import iso

from . import markdown
from .models import Article

MEDIA = {"rss": "application/rss+xml", "atom": "application/atom+xml", "json": "application/feed+json"}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0, production 2


@dataclass(frozen=True, slots=True)
class Feed:
    """What a feed says of itself: `home` is the page it belongs to, `url` its own address, `base` what relative links
    in articles are completed with, `link` gives the address of an article."""

    title: str
    description: str
    home: str
    url: str
    base: str
    link: Callable[[Article], str]


def write(kind: str, feed: Feed, articles: Sequence[Article]) -> bytes:
    """A feed of `kind` (rss, atom or json) with whole articles, the newest first."""
    return {"rss": _rss, "atom": _atom, "json": _json}[kind](feed, articles)


def updated(articles: Sequence[Article]) -> datetime:
    """When the feed last changed; 1970 for an empty one."""
    return max((_updated(a) for a in articles), default=EPOCH)


def _published(article: Article) -> datetime:
    return article.publish_at or article.created_at


def _updated(article: Article) -> datetime:
    """A scheduled article appears when it is out, however long ago it was written."""
    return max(article.updated_at, _published(article))


def _labels(article: Article) -> list[str]:
    return list(dict.fromkeys([*([article.category] if article.category else []), *article.tags]))


def _html(feed: Feed, article: Article) -> str:
    return markdown.html(article.body, feed.base)


# -- XML ---------------------------------------------------------------------------------------------------


def _add(parent: ET.Element, name: str, text: str | None = None, **attributes: str) -> ET.Element:
    child = ET.SubElement(parent, name, {k: _NOT_XML.sub("", v) for k, v in attributes.items()})
    if text is not None:
        child.text = _NOT_XML.sub("", text)
    return child


def _bytes(root: ET.Element) -> bytes:
    document: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return document


def _rss(feed: Feed, articles: Sequence[Article]) -> bytes:
    root = ET.Element(
        "rss",
        {
            "version": "2.0",
            "xmlns:atom": "http://www.w3.org/2005/Atom",
            "xmlns:content": "http://purl.org/rss/1.0/modules/content/",
            "xmlns:dc": "http://purl.org/dc/elements/1.1/",
        },
    )
    channel = _add(root, "channel")
    _add(channel, "title", feed.title)
    _add(channel, "link", feed.home)
    _add(channel, "description", feed.description)
    _add(channel, "atom:link", href=feed.url, rel="self", type=MEDIA["rss"])
    if articles:
        _add(channel, "lastBuildDate", format_datetime(updated(articles), usegmt=True))
    for article in articles:
        item = _add(channel, "item")
        _add(item, "title", article.title)
        _add(item, "link", feed.link(article))
        _add(item, "guid", f"urn:uuid:{article.uuid}", isPermaLink="false")
        _add(item, "pubDate", format_datetime(_published(article), usegmt=True))
        _add(item, "dc:creator", article.username)
        for label in _labels(article):
            _add(item, "category", label)
        _add(item, "description", article.description)
        _add(item, "content:encoded", _html(feed, article))
    return _bytes(root)


def _atom(feed: Feed, articles: Sequence[Article]) -> bytes:
    root = ET.Element("feed", {"xmlns": "http://www.w3.org/2005/Atom"})
    _add(root, "id", feed.url)
    _add(root, "title", feed.title)
    _add(root, "subtitle", feed.description)
    _add(root, "updated", iso(updated(articles)))
    _add(root, "link", rel="self", href=feed.url, type=MEDIA["atom"])
    _add(root, "link", rel="alternate", href=feed.home)
    for article in articles:
        entry = _add(root, "entry")
        _add(entry, "id", f"urn:uuid:{article.uuid}")
        _add(entry, "title", article.title)
        _add(entry, "published", iso(_published(article)))
        _add(entry, "updated", iso(_updated(article)))
        _add(entry, "link", rel="alternate", href=feed.link(article))
        _add(_add(entry, "author"), "name", article.username)
        for label in _labels(article):
            _add(entry, "category", term=label)
        _add(entry, "summary", article.description)
        _add(entry, "content", _html(feed, article), type="html")
    return _bytes(root)


# -- JSON --------------------------------------------------------------------------------------------------


def _json(feed: Feed, articles: Sequence[Article]) -> bytes:
    document = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": feed.title,
        "description": feed.description,
        "home_page_url": feed.home,
        "feed_url": feed.url,
        "items": [
            {
                "id": f"urn:uuid:{article.uuid}",
                "url": feed.link(article),
                "title": article.title,
                "summary": article.description,
                "content_html": _html(feed, article),
                "date_published": iso(_published(article)),
                "date_modified": iso(_updated(article)),
                "authors": [
                    {"name": article.username} | ({"avatar": article.image} if article.image else {})
                ],
                "tags": _labels(article),
            }
            for article in articles
        ],
    }
    return json.dumps(document, ensure_ascii=False).encode()
