"""Password hashing in a few threads: parallel sign-ins wait in line instead of taking 19 MiB each at once."""

from __future__ import annotations

import os
import threading
from base64 import b64encode
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from backendhub.kit.errors import Invalid, TooMany

from .policy import MIN_LENGTH, Weak, check, normal

if TYPE_CHECKING:
    from pwdlib import PasswordHash

    from backendhub.kit.settings import Settings

MEMORY_KIB, PASSES, LANES = 19_456, 2, 1
"""Argon2id as OWASP recommends it: 19 MiB, two passes, one lane (about 25 ms)."""
LEAST_KIB = 7_168
WAITING = 256
"""Hashes that may wait; whoever comes after is told to come back."""


class Verdict(NamedTuple):
    """Whether a password was right, and the hash to keep from now on where the stored one has old parameters."""

    right: bool
    replacement: str | None = None


class Passwords:
    """Hashes and verifies, at most `workers` at a time. Each method has a twin that is awaited."""

    def __init__(
        self,
        *,
        memory_kib: int = MEMORY_KIB,
        passes: int = PASSES,
        lanes: int = LANES,
        workers: int | None = None,
        waiting: int = WAITING,
        shortest: int = MIN_LENGTH,
        known: bool = True,
    ) -> None:
        self.memory_kib, self.passes, self.lanes = memory_kib, passes, lanes
        self.workers = workers or min(4, os.cpu_count() or 1)
        self.waiting, self.shortest, self.known = waiting, shortest, known
        self._queued = 0
        self._lock = threading.Lock()

    @classmethod
    def of(cls, settings: Settings) -> Passwords:
        """As the settings say. Raises Invalid for less memory than is safe."""
        memory = int(settings.number("accounts.hash_memory"))
        if memory < LEAST_KIB:
            raise Invalid(
                f"accounts.hash_memory is {memory} KiB.", hint=f"at least {LEAST_KIB}; OWASP says 19456"
            )
        return cls(
            memory_kib=memory,
            passes=max(1, int(settings.number("accounts.hash_passes"))),
            shortest=max(1, int(settings.number("accounts.password_length"))),
            known=settings.flag("accounts.password_known"),
        )

    def check(self, password: str, *context: str | None, known: bool = True) -> str:
        """The password in its normal form if it may be chosen; `context` is what an attacker knows of the account.

        `known=False` leaves out the lists, for a wire whose clients expect no more than a length. Raises Weak.
        """
        return check(password, context=context, shortest=self.shortest, known=known and self.known)

    @cached_property
    def _hasher(self) -> PasswordHash:
        from pwdlib import PasswordHash
        from pwdlib.hashers.argon2 import Argon2Hasher
        from pwdlib.hashers.bcrypt import BcryptHasher

        argon2 = Argon2Hasher(time_cost=self.passes, memory_cost=self.memory_kib, parallelism=self.lanes)
        return PasswordHash((argon2, BcryptHasher()))  # bcrypt only to verify what another product has stored

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self.workers, thread_name_prefix="password")

    @cached_property
    def _decoy(self) -> str:
        """A hash that no password has: verified where there is no account, which takes as long as a real one."""
        salt, tag = (b64encode(os.urandom(n)).decode().rstrip("=") for n in (16, 32))
        return f"$argon2id$v=19$m={self.memory_kib},t={self.passes},p={self.lanes}${salt}${tag}"

    # -- in a command ---------------------------------------------------------------------------------------

    def hash(self, password: str) -> str:
        """The Argon2id hash to store (PHC format). Raises Weak where it is no text, TooMany."""
        text = normal(password)
        done: str = self._submit(self._hasher.hash, text).result()
        return done

    def verify(self, password: str, stored: str | None) -> Verdict:
        """Whether the password fits the stored hash. None (no account, no password) takes as long, and never fits.

        Raises TooMany.
        """
        done: Verdict = self._submit(self._verify, password, stored).result()
        return done

    # -- in a server ----------------------------------------------------------------------------------------

    async def ahash(self, password: str) -> str:
        """As `hash`, with the event loop free."""
        import asyncio

        text = normal(password)
        done: str = await asyncio.wrap_future(self._submit(self._hasher.hash, text))
        return done

    async def averify(self, password: str, stored: str | None) -> Verdict:
        """As `verify`, with the event loop free."""
        import asyncio

        done: Verdict = await asyncio.wrap_future(self._submit(self._verify, password, stored))
        return done

    # --------------------------------------------------------------------------------------------------------

    def recognises(self, stored: str) -> bool:
        """Whether this is a hash that can be verified here: Argon2 or bcrypt."""
        return any(h.identify(stored) for h in self._hasher.hashers)

    def close(self) -> None:
        """Lets the threads finish."""
        if "_pool" in self.__dict__:
            self._pool.shutdown()

    def _verify(self, password: str, stored: str | None) -> Verdict:
        try:
            text, given = normal(password), stored
        except Weak:
            text, given = "-", None  # no password can look like this: as if there were no account
        if given is None or not self.recognises(given):
            self._hasher.verify(text, self._decoy)
            return Verdict(False)
        if given.startswith("$2"):  # bcrypt reads 72 bytes and refuses more
            right = self._hasher.verify(text.encode()[:72], given)
            return Verdict(right, self._hasher.hash(text) if right else None)
        right, replacement = self._hasher.verify_and_update(text, given)
        return Verdict(right, replacement)

    def _submit(self, fn: Any, *args: Any) -> Future[Any]:
        with self._lock:
            if self._queued >= self.workers + self.waiting:
                raise TooMany("Too many people are signing in at this moment.", retryAfter=2)
            self._queued += 1
        future = self._pool.submit(fn, *args)
        future.add_done_callback(self._done)
        return future

    def _done(self, _: Future[Any]) -> None:
        with self._lock:
            self._queued -= 1
