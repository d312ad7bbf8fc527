"""What the blog does by itself."""

from __future__ import annotations

from backendhub.kit import jobs
from backendhub.kit.db import Db

from .service import articles


@jobs.job("blog.announce")
def announce(db: Db, id: int) -> bool:
    """Notes that a scheduled article is out; one that was put off meanwhile gets another job."""
    return articles.announce(db, id)
