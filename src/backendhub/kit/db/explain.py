"""What SQLite says, in words for whoever runs the program."""

from __future__ import annotations

from backendhub.kit.errors import Conflict, HubError, Invalid, StoreBusy, StoreError

HINTS = {
    "SQLITE_NOTADB": ("is not a backendhub store (not a SQLite database)", "name another file with --db"),
    "SQLITE_CORRUPT": ("is damaged", "restore it: backendhub backup restore hub"),
    "SQLITE_FULL": ("cannot be written: the disk is full", "free some space; nothing was changed"),
    "SQLITE_READONLY": ("is read-only", "check the permissions of the file and of its folder"),
    "SQLITE_CANTOPEN": ("cannot be opened", "check that its folder exists and that you may write there"),
    "SQLITE_PERM": ("cannot be opened: permission denied", "check the permissions of the file"),
    "SQLITE_BUSY": ("is locked by another program", "try again when the other program has finished"),
    "SQLITE_LOCKED": ("is locked", "try again"),
    "SQLITE_IOERR": ("cannot be read or written (disk error)", "check the disk and its free space"),
}


def explain(error: BaseException, path: str) -> HubError:
    """One clear line for what SQLite or the system said."""
    if isinstance(error, HubError):
        return error
    if isinstance(error, OverflowError):
        return Invalid("A number is larger than the store can hold (64 bits).")
    if isinstance(error, UnicodeEncodeError):
        return Invalid("Text with lone surrogates cannot be stored.", hint="send well-formed UTF-8")
    if isinstance(error, OSError):
        reason = error.strerror or str(error)
        return StoreError(
            f"The store {path} cannot be opened: {reason.lower()}.", hint="check --db and the folder"
        )
    name = getattr(error, "sqlite_errorname", "") or ""
    text = str(error)
    if name.startswith("SQLITE_CONSTRAINT"):
        what = text.split(": ", 1)[-1]
        if name in ("SQLITE_CONSTRAINT_CHECK", "SQLITE_CONSTRAINT_NOTNULL"):
            return Invalid(f"A value breaks a rule of the store: {what}.")
        return Conflict(f"This clashes with what is stored: {what}.")
    for prefix, (what, hint) in HINTS.items():
        if name.startswith(prefix) and prefix == "SQLITE_BUSY":
            return StoreBusy(f"The store {path} {what}.", hint=hint)
        if name.startswith(prefix):
            return StoreError(f"The store {path} {what}.", hint=hint)
    return StoreError(f"The store {path} failed: {text}.", hint="backendhub doctor")
