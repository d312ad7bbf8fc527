"""A month of a small shop for bicycles: visits through Plausible's door, what customers did through Segment's."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from backendhub.kit import clock
from backendhub.kit.db import Db

from .models import Door, GoalKind
from .service import digest, ingest, sources

DOMAIN, KEY = "bicycles.example", "bicycles-demo"
AGENTS = (
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Mobile Safari/537.36",
)
REFERRERS = (
    None,
    None,
    "https://www.google.com/",
    "https://duckduckgo.com/",
    "https://news.ycombinator.com/item",
    "https://t.co/x",
)
PAGES = (
    "/",
    "/bikes",
    "/bikes/touring",
    "/bikes/cargo",
    "/blog/winter-tyres",
    "/blog/first-tour",
    "/workshop",
    "/contact",
)
DAYS = 30
PER_DAY = 14


def load(db: Db) -> int:
    """Adds the sample and says how many requests that were: 0 where there is a source already."""
    if sources.find(db, limit=1).items:
        return 0
    source = sources.add(db, name="Two Wheels", domain=DOMAIN, write_key=KEY)
    sources.add_goal(db, source.id, kind=GoalKind.PAGE, match="/bikes/*", name="Looked at a bike")
    sources.add_goal(db, source.id, kind=GoalKind.EVENT, match="Test ride booked")
    sources.add_goal(db, source.id, kind=GoalKind.EVENT, match="Order Completed", name="Order")
    chance = random.Random(7)
    count = 0
    begin = clock.now().replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=DAYS)
    for day in range(DAYS + 1):
        for at in _moments(chance, begin + timedelta(days=day)):
            with clock.traveling(at):
                count += _visit(db, chance)
        with clock.traveling(min(begin + timedelta(days=day + 1), clock.now())):
            while digest.digest(db).parcels:
                pass
    return count


def _moments(chance: random.Random, day: datetime) -> Iterator[datetime]:
    weekend = 1.6 if day.weekday() >= 5 else 1.0
    moments = [
        day + timedelta(seconds=chance.triangular(0, 86_399, 68_000)) for _ in range(int(PER_DAY * weekend))
    ]
    return (at for at in sorted(moments) if at < clock.now() - timedelta(minutes=5))


def _visit(db: Db, chance: random.Random) -> int:
    """One visit: some pages, and sometimes what a shop hopes for."""
    address, agent = f"192.0.2.{chance.randrange(1, 90)}", chance.choice(AGENTS)
    referrer, now = chance.choice(REFERRERS), clock.now()
    count = 0
    for step in range(chance.choice((1, 1, 1, 2, 3, 5))):
        path = "/" if step == 0 and chance.random() < 0.5 else chance.choice(PAGES)
        event: dict[str, Any] = {
            "n": "pageview",
            "u": f"https://{DOMAIN}{path}",
            "d": DOMAIN,
            "r": referrer,
        }
        event["timestamp"] = (now + timedelta(seconds=40 * step)).isoformat()
        with clock.traveling(now + timedelta(seconds=40 * step)):
            count += ingest.accept_visit(db, [DOMAIN], event, address=address, agent=agent, anyone=False)
    if chance.random() < 0.12:
        count += _customer(db, chance, agent)
    return count


def _customer(db: Db, chance: random.Random, agent: str) -> int:
    person = chance.randrange(1, 60)
    anonymous, user = f"device-{person}", f"customer-{person}"
    shared = {"anonymousId": anonymous, "context": {"userAgent": agent}}
    events: list[dict[str, Any]] = [
        {**shared, "type": "page", "properties": {"url": f"https://{DOMAIN}/bikes/touring"}},
        {**shared, "type": "track", "event": "Test ride booked", "properties": {"bike": "touring"}},
    ]
    if chance.random() < 0.6:
        events.append({**shared, "type": "identify", "userId": user, "traits": {"plan": "workshop"}})
        bought = {"revenue": chance.choice((49.9, 890, 1290)), "currency": "EUR"}
        events.append(
            {**shared, "type": "track", "event": "Order Completed", "userId": user, "properties": bought}
        )
    body = json.dumps({"batch": events}).encode()
    ingest.accept(db, door=Door.SEGMENT, key=KEY, kind="batch", body=body, anyone=False)
    return 1
