"""A cinema with two halls, six films, a week of shows, and people who have booked, made through the service."""

from __future__ import annotations

from datetime import datetime, time, timedelta

from backendhub.kit import clock
from backendhub.kit.db import Db

from .service import bookings, movies, shows, tickets
from .service.bookings import Choice
from .service.orders import Best

FILMS = (
    ("The Lighthouse Keeper's Daughter", 118, "PG", ("Drama", "Mystery"), "A light that will not go out."),
    ("Seven Minutes to Lisbon", 97, "12", ("Thriller",), "A night train, a suitcase, one wrong compartment."),
    ("Paper Planets", 84, "U", ("Animation", "Family"), "Two children fold a solar system."),
    ("The Long Division", 131, "15", ("Drama",), "A mathematician comes home."),
    ("Snow on the Equator", 104, "PG", ("Adventure", "Documentary"), "Up the glaciers that are left."),
    ("Rust & Roses", 109, "12", ("Comedy", "Romance"), "A scrapyard, a florist, one shared wall."),
)
CATEGORIES = ({"key": "standard", "label": "Standard", "color": "#4A6FA5"}, {"key": "premium", "label": "Premium", "color": "#B8860B"})  # fmt: skip
BIG = {"A": 10, "B": 12, "C": 14, "D": 14, "E": 14, "F": 14, "G": 12, "H": 12}
SMALL = {"A": 6, "B": 8, "C": 8, "D": 8, "E": 8}
PEOPLE = ("Amira Haddad", "Jonas Lindqvist", "Priya Raman", "Tomás Ferreira", "Mei Tanaka", "Ola Nowak")


def load(db: Db) -> int:
    """Adds the sample and says how many bookings that were: 0 where there are films already."""
    if movies.find(db, limit=1):
        return 0
    now = clock.now()
    with clock.traveling(now - timedelta(days=3)):
        films = [
            movies.add(db, title=title, minutes=minutes, rating=rating, genres=genres, synopsis=synopsis)
            for title, minutes, rating, genres, synopsis in FILMS
        ]
        halls = [
            shows.add_hall(db, name="Grand", rows=_rows(BIG, "FGH"), categories=CATEGORIES),
            shows.add_hall(db, name="Studio", rows=_rows(SMALL, "E"), categories=CATEGORIES),
        ]
        made = []
        for day in range(-1, 7):
            for n, (hall, hour) in enumerate((h, hour) for h in halls for hour in (17, 20)):
                starts = datetime.combine(now.date() + timedelta(days=day), time(hour), now.tzinfo)
                film = films[(day + n) % len(films)]
                prices = {"standard": 950 + 150 * (hour == 20), "premium": 1350}
                made.append(shows.add(db, movie_id=film.id, hall_id=hall.id, starts_at=starts, prices=prices))
    return sum(_audience(db, show.id, n, now) for n, show in enumerate(made))


def _rows(rows: dict[str, int], premium: str) -> dict[str, tuple[int, int | str]]:
    return {label: (count, "premium" if label in premium else "standard") for label, count in rows.items()}


def _audience(db: Db, show_id: str, n: int, now: datetime) -> int:
    """A few parties of one to four; those of yesterday have been in, one has cancelled."""
    show = shows.get(db, show_id)
    booked = []
    for party in range(3 + n % 4):
        at = min(now, show.starts_at) - timedelta(hours=5 + party)
        with clock.traveling(at):
            name = PEOPLE[(n + party) % len(PEOPLE)]
            booked.append(bookings.book(db, show_id, Choice(best=Best(1 + (n + party) % 4)), name=name))
    if show.starts_at < now - timedelta(hours=3):
        key = tickets.ensured_secret(db)
        with clock.traveling(show.starts_at - timedelta(minutes=10)):
            for made in booked:
                for ticket in made.tickets:
                    tickets.scan(db, tickets.code(key, ticket.id), by="demo")
    elif n == 10:
        bookings.cancel(db, booked[0].booking.id)
    return len(booked)
