"""Mail: put in the outbox with the change that it belongs to, handed to an SMTP server by a worker.

    mail.send(db, to=user.email, template="blog/welcome", context={"name": user.name}, key=f"welcome:{user.id}")

Without a server (setting `mail.url`) mail is kept and can be looked at under `/_mail`. A system's migration says
`-- needs: mail`. Importing this is cheap.
"""

from __future__ import annotations

from .models import Attachment, Message
from .outgoing import allowed, clear, find, get, remove, send

__all__ = ["Attachment", "Message", "allowed", "clear", "find", "get", "remove", "send"]
