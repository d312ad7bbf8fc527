"""What the commands of backup share: the group, the options for the repository, how failures end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Option

from backendhub.kit import cli, hub
from backendhub.kit.errors import NotFound, StoreError

from .models import coded
from .report import Report

if TYPE_CHECKING:
    from .repository.repo import Repository
    from .service.journal import Job

Repo = Annotated[
    str | None, Option("--repo", help="The repository: a directory, s3://, gs://, az://.", metavar="URL")
]
PassFile = Annotated[
    str | None, Option("--passphrase-file", help="File with its passphrase, mode 0600.", metavar="FILE")
]
Identity = Annotated[
    str | None, Option("--identity", help="File with an age identity that opens it.", metavar="FILE")
]
Timeout = Annotated[str, Option("--timeout", help="Give up after so long (0: never).", metavar="SPAN")]
DryRun = Annotated[bool, Option("--dry-run", help="Say what would be done, do nothing.")]


class BackupCommands(cli.Commands):
    """Commands whose failures have backup's own exit codes: there, 3 and 7 mean something else."""

    def run(self, args: list[str], flags: dict[str, str] | None = None) -> int:
        try:
            return super().run(args, flags)
        except BrokenPipeError:
            raise
        except (NotFound, StoreError, OSError) as error:
            raise coded(error) or error from error


app = BackupCommands(
    "backup",
    "Back up databases into an encrypted, deduplicated repository, and prove that they restore.",
    examples=(
        "backendhub backup init                                # a repository with a key of its own",
        "backendhub backup run                                 # the product's own store, `hub`",
        'backendhub backup add shop postgresql://app@db/shop --every "0 3 * * *" --keep daily=7,weekly=4',
        "backendhub backup run --due --quiet                   # the one line for cron",
        "backendhub backup drill shop                          # prove that it restores",
        "backendhub backup restore shop --to postgresql://app@db/shop_copy",
    ),
)


def use(repo: str | None = None, passphrase_file: str | None = None, identity: str | None = None) -> None:
    """Options of a command become settings, where everything else looks for them."""
    given = {"repo": repo, "passphrase_file": passphrase_file, "identity_file": identity}
    hub.current().settings.flags.update({f"backup.{k}": v for k, v in given.items() if v is not None})


@contextmanager
def repository(
    repo: str | None = None, passphrase_file: str | None = None, identity: str | None = None
) -> Iterator[Repository]:
    """The repository, open for the length of a block; SIGTERM ends the block in good order."""
    from .access import opened
    from .engines.child import terminating

    use(repo, passphrase_file, identity)
    with terminating(), opened(hub.current().settings) as found:
        yield found


def report() -> Report:
    """The voice of this command."""
    return Report(hub.output())


def summed(said: Report, jobs: list[Job], **fields: Any) -> cli.Result:
    """The summary of several jobs and their worst exit code."""
    from .models import worst
    from .report import status_of

    code = worst(made.exit_code for made in jobs)
    last = jobs[-1].facts if jobs else {}
    totals = {
        key: sum(made.facts.get(key) or 0 for made in jobs)
        for key in ("bytes_read", "bytes_added", "seconds")
    }
    totals["seconds"] = round(totals["seconds"], 3)
    events = [made.as_event() for made in jobs]
    said.summary(status_of(code), code, snapshot=last.get("snapshot"), **totals, jobs=events, **fields)
    return cli.Result(None, code)


def card(value: Any) -> str:
    """A mapping as lines of label and value, or a list as lines."""
    from backendhub.kit.output import cell

    if not isinstance(value, dict):
        return "\n".join("  ".join(map(cell, v.values())) if isinstance(v, dict) else str(v) for v in value)
    rows = [(key.replace("_", " "), cell(text)) for key, text in value.items()]
    return "\n".join(f"{label:<12} {text}" for label, text in rows if text)


def span(text: str | None) -> float | None:
    """Seconds of `6h`; None for `0`."""
    from .service.runs import seconds

    return (seconds(text) or None) if text is not None else None


def path(text: str | None) -> Path | None:
    """A path as typed."""
    return None if text is None else Path(text).expanduser()
