"""Bodies and answers of the cinema's own routes: amounts are minor units, times are UTC."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from backendhub.kit.accounts import User
from backendhub.kit.web.fields import NO_NUL, VISIBLE, Integer

from .films import Booking, Hall, Movie, Show, Taking, Ticket
from .models import FREE
from .service import bookings, events
from .service.orders import Best
from .service.views import View

Name = Annotated[str, Field(min_length=1, max_length=140, pattern=VISIBLE)]
Id = Annotated[str, Field(min_length=1, max_length=60, pattern=NO_NUL)]
After = Annotated[str, Query(max_length=60, pattern=NO_NUL, description="The last id of the page before")]
Genre = Annotated[str, Field(min_length=1, max_length=60, pattern=VISIBLE)]
Word = Annotated[str, Field(min_length=1, max_length=40, pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]
Seat = Annotated[str, Field(min_length=1, max_length=200, pattern=NO_NUL, examples=["A-1"])]
Address = Annotated[str, Field(max_length=254, pattern=r"^[^\s@\x00]+@[^\s@\x00]+$")]
Code = Annotated[str, Field(min_length=3, max_length=3, pattern=r"^[A-Z]{3}$")]
Minor = Annotated[Integer, Field(ge=0, le=10**9, description="Minor units: 1250 is 12.50")]
Picture = Annotated[str, Field(max_length=2000, pattern=r"^https?://[^\s\x00]+$")]


class Strict(BaseModel):
    """A body without unknown members."""

    model_config = ConfigDict(extra="forbid")


class MovieIn(Strict):
    """A new film."""

    title: Name
    minutes: Annotated[Integer, Field(ge=1, le=1000)]
    synopsis: Annotated[str, Field(max_length=5000, pattern=NO_NUL)] = ""
    poster: Picture | None = None
    rating: Annotated[str, Field(max_length=20, pattern=NO_NUL)] | None = None
    genres: Annotated[list[Genre], Field(max_length=20)] = Field(default_factory=list)


class MoviePatch(MovieIn):
    """What can be changed of a film."""

    title: Name = Field(default_factory=str)
    minutes: Annotated[Integer, Field(ge=1, le=1000)] = 1


class CategoryIn(Strict):
    """A price category of a hall."""

    key: Word
    label: Name
    color: Annotated[str, Field(pattern=r"^#[0-9A-Fa-f]{6}$")] = "#4A6FA5"


class RowIn(Strict):
    """A row of seats, nearest to the screen first."""

    label: Word
    seats: Annotated[Integer, Field(ge=1, le=60)]
    category: Word


class HallIn(Strict):
    """A new hall."""

    name: Name
    categories: Annotated[list[CategoryIn], Field(min_length=1, max_length=20)]
    rows: Annotated[list[RowIn], Field(min_length=1, max_length=50)]


class ShowIn(Strict):
    """A show to announce."""

    movieId: Id
    hallId: Id
    startsAt: datetime
    currency: Code = "EUR"
    prices: Annotated[dict[Word, Minor], Field(min_length=1, max_length=20, description="By category")]


class BestIn(Strict):
    """The best seats that are left."""

    number: Annotated[Integer, Field(ge=1, le=50)]
    category: Word | None = None
    together: Annotated[bool, Field(description="Next to each other, or none")] = False
    allowOrphans: Annotated[bool, Field(description="May leave a single seat alone")] = False

    def record(self) -> Best:
        """As the service takes it."""
        wanted = None if self.category is None else [self.category]
        return Best(self.number, wanted, prevent_orphans=not self.allowOrphans, together=self.together)


class ChoiceIn(Strict):
    """Seats by label, or the best that are left."""

    seats: Annotated[list[Seat], Field(max_length=50)] = Field(default_factory=list)
    best: BestIn | None = None
    hold: Annotated[Id | None, Field(description="A hold that was made before")] = None

    def record(self) -> bookings.Choice:
        """As the service takes it."""
        return bookings.Choice(self.seats, self.best.record() if self.best else None)


class BookingIn(ChoiceIn):
    """Seats to book: those of a hold, or others."""

    showId: Id
    name: Name
    email: Address | None = None


class ScanIn(Strict):
    """What a QR code says; `showId` where only one show is let in."""

    code: Annotated[str, Field(min_length=1, max_length=200, pattern=NO_NUL)]
    showId: Id | None = None


class SignUpIn(Strict):
    """A new account."""

    email: Address
    password: Annotated[str, Field(min_length=1, max_length=1000, pattern=NO_NUL)]
    name: Name | None = None


class SignInIn(Strict):
    """Who signs in."""

    email: Annotated[str, Field(max_length=254, pattern=NO_NUL)]
    password: Annotated[str, Field(max_length=1000, pattern=NO_NUL)]


class RoleIn(Strict):
    """A role of the cinema."""

    role: Literal["admin", "staff"] = "admin"


class RotateIn(Strict):
    """How long codes of the key before are good."""

    keepHours: Annotated[Integer, Field(ge=0, le=24 * 366)] = 0


# -- answers -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class HallOut:
    """A hall; `rows` where one is read: label, seats, category."""

    id: str
    name: str
    seats: int
    categories: list[dict[str, Any]]
    rows: list[dict[str, Any]] | None = None


@dataclass(frozen=True, slots=True)
class ShowOut:
    """A show."""

    id: str
    movie_id: str
    title: str
    hall_id: str
    hall: str
    state: str
    starts_at: datetime
    ends_at: datetime
    currency: str
    prices: dict[str, int]
    capacity: int


@dataclass(frozen=True, slots=True)
class SeatOut:
    """A seat of a show: `free`, `held` or taken (`booked`), with its price."""

    label: str
    row: str
    number: str
    category: str
    price: int
    status: str


@dataclass(frozen=True, slots=True)
class SeatsOut:
    """The seat map of a show; the rows begin at the screen."""

    show: ShowOut
    free: int
    seats: list[SeatOut]


@dataclass(frozen=True, slots=True)
class HoldOut:
    """Seats that are kept; `id` is the token that books them."""

    id: str
    show_id: str
    seats: list[str]
    amount: int
    currency: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class TicketOut:
    """A ticket; `code` is what its QR code says."""

    id: str
    seat: str
    category: str
    price: int
    state: str
    scanned_at: datetime | None
    code: str


@dataclass(frozen=True, slots=True)
class BookingOut:
    """A booking; `secret` is shown once, to whoever made it."""

    id: str
    show_id: str
    title: str
    hall: str
    starts_at: datetime
    name: str
    email: str | None
    state: str
    amount: int
    currency: str
    created_at: datetime
    cancelled_at: datetime | None
    tickets: list[TicketOut]
    secret: str | None = None


@dataclass(frozen=True, slots=True)
class ScanOut:
    """Somebody may come in."""

    ticket_id: str
    seat: str
    title: str
    hall: str
    starts_at: datetime
    scanned_at: datetime | None


@dataclass(frozen=True, slots=True)
class OccupancyOut:
    """How full a show is; `percent` of its capacity is sold, to one decimal."""

    show_id: str
    title: str
    hall: str
    starts_at: datetime
    state: str
    capacity: int
    sold: int
    held: int
    free: int
    scanned: int
    percent: float


@dataclass(frozen=True, slots=True)
class PersonOut:
    """An account."""

    id: str
    email: str | None
    name: str | None
    roles: list[str]


@dataclass(frozen=True, slots=True)
class WorkspaceOut:
    """The workspace of the cinema, for programs that speak seats.io's wire."""

    key: str
    secret_key: str


@dataclass(frozen=True, slots=True)
class RotatedOut:
    """A new key signs tickets; codes of the one before are good until then."""

    old_until: datetime


@dataclass(frozen=True, slots=True)
class SignedInOut:
    """An account and the token that it is known by: `Authorization: Bearer TOKEN`."""

    user: PersonOut
    token: str
    expires_in: int


def hall_out(found: Hall, categories: Sequence[Any], rows: list[dict[str, Any]] | None = None) -> HallOut:
    """A hall."""
    told = [{"key": str(c["key"]), "label": c["label"], "color": c["color"]} for c in categories]
    return HallOut(found.id, found.name, found.seats, told, rows)


def show_out(show: Show) -> ShowOut:
    """A show."""
    names = [name for name in ShowOut.__slots__]
    return ShowOut(**{name: getattr(show, name) for name in names})


def seats_out(show: Show, seen: View) -> SeatsOut:
    """Its seat map."""
    found = []
    for spot in seen.spots.values():
        category = str(events.category_key(seen.event, spot))
        if category not in show.prices or spot.capacity is not None:
            continue
        state = seen.state(spot.label).status
        told = state if state == FREE else "held" if state == "reservedByToken" else "booked"
        row = spot.parent or spot.own
        found.append(SeatOut(spot.label, row, spot.own, category, show.prices[category], told))
    return SeatsOut(show_out(show), sum(s.status == FREE for s in found), found)


def hold_out(held: bookings.Held) -> HoldOut:
    """A hold."""
    amount = sum(bookings.price(held.show, held.seen, label)[1] for label in held.seats)
    return HoldOut(
        held.token.token, held.show.id, held.seats, amount, held.show.currency, held.token.expires_at
    )


def ticket_out(ticket: Ticket, code: str) -> TicketOut:
    """A ticket."""
    return TicketOut(
        ticket.id, ticket.label, ticket.category, ticket.price, ticket.state, ticket.scanned_at, code
    )


def booking_out(
    booking: Booking, show: Show, tickets: list[TicketOut], secret: str | None = None
) -> BookingOut:
    """A booking."""
    names = ("id", "show_id", "name", "email", "state", "amount", "currency", "created_at", "cancelled_at")
    values = {name: getattr(booking, name) for name in names}
    about: dict[str, Any] = {"title": show.title, "hall": show.hall, "starts_at": show.starts_at}
    return BookingOut(**values, **about, tickets=tickets, secret=secret)


def occupancy_out(t: Taking) -> OccupancyOut:
    """How full a show is."""
    free = 0 if t.state == "cancelled" else max(0, t.capacity - t.sold - t.held)
    percent = round(100 * t.sold / t.capacity, 1)
    return OccupancyOut(
        t.show_id, t.title, t.hall, t.starts_at, t.state, t.capacity, t.sold, t.held, free, t.scanned, percent
    )


def person_out(user: User) -> PersonOut:
    """An account."""
    return PersonOut(user.id, user.email, user.name, list(user.roles))


def movie_poster(movie: Movie, prefix: str) -> str:
    """The address of a film's picture: its own, or one that is made of its title."""
    return movie.poster or f"{prefix}/movies/{movie.id}/poster.svg"
