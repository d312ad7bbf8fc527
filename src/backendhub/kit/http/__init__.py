"""Other people's servers: one client with retries, an ETag and TTL cache in the store, and clear failures.

github = hub.current().http.client(base_url="https://api.github.com", name="GitHub", ttl=60)
user = github.get("/users/octocat").record()
"""

from __future__ import annotations

from .client import FOREVER, Client, Credential, Http
from .response import Response, redact

__all__ = ["FOREVER", "Client", "Credential", "Http", "Response", "redact"]
