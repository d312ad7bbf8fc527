"""Every SQL statement of the shop."""

from __future__ import annotations

from .catalogue import *  # noqa: F403
from .checks import CHECKS as CHECKS
from .sales import *  # noqa: F403
