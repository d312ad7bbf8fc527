"""What a user agent and a referrer are called. Heuristics: a name that is not in a table is told as it came."""

from __future__ import annotations

from functools import lru_cache
from urllib.parse import urlsplit

# The first that is found counts: browsers carry the names of those before them.
BROWSERS = (
    ("Edg", "Microsoft Edge"), ("OPR/", "Opera"), ("SamsungBrowser", "Samsung Browser"), ("YaBrowser", "Yandex Browser"),
    ("DuckDuckGo", "DuckDuckGo"), ("Vivaldi", "Vivaldi"), ("FxiOS", "Firefox"), ("Firefox", "Firefox"), ("CriOS", "Chrome"),
    ("HeadlessChrome", "Headless Chrome"), ("Chrome", "Chrome"), ("Safari", "Safari"), ("curl", "curl"), ("MSIE", "Internet Explorer"),
    ("Trident", "Internet Explorer"),
)  # fmt: skip
SYSTEMS = (
    ("Windows Phone", "Windows Phone"), ("Windows", "Windows"), ("iPhone", "iOS"), ("iPad", "iPadOS"), ("CrOS", "Chrome OS"),
    ("Android", "Android"), ("Mac OS X", "Mac"), ("Macintosh", "Mac"), ("Linux", "GNU/Linux"),
)  # fmt: skip
BOTS = ("bot", "spider", "crawl", "slurp", "preview", "headlesschrome", "lighthouse", "pingdom", "uptime")
SITES = {
    "google": "Google", "bing": "Bing", "duckduckgo": "DuckDuckGo", "yahoo": "Yahoo!", "ecosia": "Ecosia", "baidu": "Baidu",
    "yandex": "Yandex", "facebook": "Facebook", "instagram": "Instagram", "twitter": "Twitter", "linkedin": "LinkedIn",
    "reddit": "Reddit", "youtube": "YouTube", "github": "GitHub", "wikipedia": "Wikipedia",
}  # fmt: skip
HOSTS = {"t.co": "Twitter", "x.com": "Twitter", "news.ycombinator.com": "Hacker News", "lnkd.in": "LinkedIn"}


@lru_cache(maxsize=4096)
def agent(text: str | None) -> tuple[str | None, str | None, str | None]:
    """Browser, operating system and kind of device of a `User-Agent`."""
    if not text:
        return None, None, None
    browser = next((name for mark, name in BROWSERS if mark in text), None)
    system = next((name for mark, name in SYSTEMS if mark in text), None)
    if system is None:
        return browser, None, None
    if "iPad" in text or ("Android" in text and "Mobile" not in text):
        return browser, system, "Tablet"
    mobile = "Mobi" in text or system in ("iOS", "Windows Phone")
    return browser, system, "Mobile" if mobile else "Desktop"


def by_width(width: float) -> str:
    """The kind of device by the width of its screen in CSS pixels."""
    if width < 576:
        return "Mobile"
    if width < 992:
        return "Tablet"
    return "Laptop" if width < 1440 else "Desktop"


def is_bot(text: str | None) -> bool:
    """Whether a `User-Agent` says that no person is behind it."""
    lowered = (text or "").lower()
    return any(mark in lowered for mark in BOTS)


@lru_cache(maxsize=4096)
def referrer(address: str | None, host: str | None) -> tuple[str | None, str | None]:
    """A referrer without its query, and what its site is called; nothing where the page came from its own site."""
    if not address:
        return None, None
    try:
        parts = urlsplit(address)
        name = (parts.hostname or "").removeprefix("www.")
    except ValueError:
        return None, None
    if not name or name == host or parts.scheme not in ("http", "https"):
        return None, None
    labels = name.split(".")
    known = HOSTS.get(name) or next((SITES[label] for label in labels[:-1] if label in SITES), None)
    return f"{name}{parts.path.rstrip('/')}"[:500], known or name
