"""`backendhub serve cinema`: films, shows and bookings, and the wire of seats.io's clients."""

from __future__ import annotations

from . import (
    page_routes,
    plain,
    plain_admin,
    plain_bookings,
    seats_charts,
    seats_events,
    seats_reports,
    seats_sales,
    seats_seasons,
    seats_workspaces,
)
from .wire import router

__all__ = [
    "page_routes",
    "plain",
    "plain_admin",
    "plain_bookings",
    "router",
    "seats_charts",
    "seats_events",
    "seats_reports",
    "seats_sales",
    "seats_seasons",
    "seats_workspaces",
]
