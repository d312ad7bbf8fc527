"""What the cinema itself keeps: films, halls, shows, bookings, tickets, and the ways from state to state."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from backendhub.kit.db import derived
from backendhub.kit.money import Money
from backendhub.kit.states import Machine, Move

from .models import CANCELLED, SCHEDULED

VALID, USED, VOID = "valid", "used", "void"
BOOKED = "booked"

SHOW = Machine(
    "show",
    table="cinema_show",
    initial=SCHEDULED,
    moves=(Move("cancel", SCHEDULED, CANCELLED, "An administrator calls it off before it begins"),),
)
BOOKING = Machine(
    "booking",
    table="cinema_booking",
    initial=BOOKED,
    moves=(Move("cancel", BOOKED, CANCELLED, "The buyer gives the seats back, or the show is called off"),),
)
TICKET = Machine(
    "ticket",
    table="cinema_ticket",
    initial=VALID,
    moves=(
        Move("scan", VALID, USED, "At the door, once"),
        Move("void", VALID, VOID, "Its booking is cancelled"),
    ),
)


@dataclass(frozen=True, slots=True)
class Movie:
    """A film. `poster` is the address of a picture; without one it gets a plain one of its title."""

    id: str
    title: str
    synopsis: str
    minutes: int
    poster: str | None
    rating: str | None
    genres: list[str]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Genre:
    """A genre, and how many films it has."""

    name: str
    movies: int


@dataclass(frozen=True, slots=True)
class Hall:
    """A room with a seat plan; `seats` are what can be sold of it one by one."""

    id: str
    name: str
    chart_id: int
    seats: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Show:
    """A film in a hall at a time. `prices` are minor units by category key."""

    id: str
    movie_id: str
    hall_id: str
    event_id: int
    state: str
    starts_at: datetime
    ends_at: datetime
    currency: str
    prices: dict[str, int]
    capacity: int
    cancelled_at: datetime | None
    created_at: datetime
    title: str = derived("")
    hall: str = derived("")

    def price(self, category: str) -> Money:
        """What a seat of a category costs."""
        return Money(self.prices[category], self.currency)


@dataclass(frozen=True, slots=True)
class Booking:
    """Seats of a show that somebody has. `secret_hash` is of what lets a guest see and cancel it."""

    id: str
    show_id: str
    user_id: str | None
    name: str
    email: str | None
    state: str
    amount: int
    currency: str
    secret_hash: str
    created_at: datetime
    cancelled_at: datetime | None


@dataclass(frozen=True, slots=True)
class Ticket:
    """One seat of a booking; scanned once."""

    id: str
    booking_id: str
    show_id: str
    label: str
    category: str
    price: int
    state: str
    scanned_at: datetime | None
    scanned_by: str | None


@dataclass(frozen=True, slots=True)
class Taking:
    """What a show has sold."""

    show_id: str
    movie_id: str
    title: str
    hall: str
    starts_at: datetime
    state: str
    currency: str
    capacity: int
    sold: int
    amount: int
    scanned: int
    held: int
