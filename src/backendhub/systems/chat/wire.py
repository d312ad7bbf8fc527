"""The router of the chat, and how its routes name things."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query

from backendhub.kit import accounts, web

router = web.Router(
    "Rooms, direct messages, presence and searchable history. Clients of Socket.IO connect at `/socket.io/` with "
    "`auth: {token}`; these routes do the same over plain HTTP. A small client is at `/`.",
    cors=True,
    auth=web.Authenticator(accounts.authenticate, accounts.SCHEMES),
)
UUID = r"^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$"
RoomId = Annotated[str, Path(pattern=UUID, description="The room")]
UserId = Annotated[str, Path(pattern=UUID, description="The account")]
Number = Annotated[int, Path(ge=1, le=2**53 - 1, description="The message's number in its room")]
Place = Annotated[int | None, Query(ge=0, le=2**53 - 1)]
Most = Annotated[int, Query(ge=1, le=100)]
