"""The web console at `/_hub`: every system that is served, its requests as they come, background work, the store.

It is for the person who runs the server. On a loopback address nothing is asked; beyond it (`serve --console`) an
administrator has to sign in.
"""

from __future__ import annotations

from .routes import attach

__all__ = ["attach"]
