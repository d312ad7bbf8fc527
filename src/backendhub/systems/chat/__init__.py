"""Rooms, direct messages, presence and searchable history over Socket.IO and plain HTTP."""
