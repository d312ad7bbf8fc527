"""Every system in one table. Nothing is imported until its name is typed."""

from __future__ import annotations

from typing import NamedTuple


class Option(NamedTuple):
    """A setting that a system adds: `task.sort` is BACKENDHUB_TASK_SORT, plus the names in `env`.

    `serve` takes it as `--flag METAVAR` (a switch without `metavar`; more than once if it `repeats`: the values are
    joined by blanks), or as the files with these `suffixes` that stand behind the system's name (joined as paths are).
    """

    name: str
    help: str
    default: str | None = None
    env: tuple[str, ...] = ()
    secret: bool = False
    flag: str = ""
    metavar: str = ""
    repeats: bool = False
    suffixes: tuple[str, ...] = ()


class System(NamedTuple):
    """One row: a name that is unique in folders, tables, URLs and events, and what it offers.

    `uses` names what several processes of it must share through Redis: `events`, `limits`.
    """

    name: str
    group: str
    summary: str
    faces: str
    extras: tuple[str, ...] = ()
    settings: tuple[Option, ...] = ()
    module: str = ""
    uses: str = ""

    @property
    def package(self) -> str:
        """The import path of the system's folder."""
        return self.module or "backendhub.systems." + self.name.replace("-", "_")

    def has(self, face: str) -> bool:
        """Whether it has a face: `cli`, `api` or `jobs`."""
        return face in self.faces.split()


SYSTEMS: tuple[System, ...] = (
    System("task", "everyday", "Track to-dos with due dates, priorities and recurrence", "cli api"),
    System(
        "expense",
        "everyday",
        "Track money: budgets, recurring entries, many currencies, import and export",
        "cli api",
        settings=(Option("expense.currency", "currency of amounts that name none", "USD"),),
    ),
    System(
        "github-activity",
        "everyday",
        "What people did on GitHub, with correct push counts and an archive",
        "cli",
        settings=(
            Option(
                "github.token",
                "GitHub token; `gh auth token` is asked where none is set",
                env=("GITHUB_TOKEN",),
                secret=True,
            ),
            Option("github.url", "Address of the GitHub API", "https://api.github.com"),
            Option("github.web", "Address of the GitHub web site", "https://github.com"),
        ),
    ),
    System(
        "tmdb",
        "everyday",
        "Films and series: lists, search, watch list, recommendations (TMDB)",
        "cli",
        settings=(
            Option("tmdb.key", "TMDB API key (v3)", env=("TMDB_API_KEY",), secret=True),
            Option(
                "tmdb.token", "TMDB API read token (v4); wins over the key", env=("TMDB_TOKEN",), secret=True
            ),
            Option("tmdb.url", "Address of the TMDB API", "https://api.themoviedb.org/3"),
            Option("tmdb.language", "Language of titles and texts", "en-US"),
            Option("tmdb.region", "Country whose releases count"),
        ),
    ),
    System(
        "trending",
        "everyday",
        "What is trending on GitHub: created, gaining stars, new since last time",
        "cli",
    ),
    System("convert", "everyday", "Convert units and currencies, exactly", "cli api"),
    System("guess", "everyday", "Guess the number: daily games, hints, stats, streaks", "cli"),
    System(
        "backup",
        "everyday",
        "Back up SQLite, PostgreSQL, MariaDB and MongoDB, and prove that it restores",
        "cli",
        settings=(
            Option("backup.repo", "Where backups are kept: a directory, s3://, gs:// or az://"),
            Option("backup.passphrase_file", "File with the repository's passphrase, mode 0600"),
            Option("backup.passphrase_command", "Command that prints the passphrase, e.g. pass show backup"),
            Option("backup.identity_file", "File with an age identity, instead of a passphrase"),
            Option("backup.ping_url", "URL told of every run: …/start, …/<exit code>"),
            Option("backup.slack_webhook", "Slack webhook told of failures and recoveries", secret=True),
            Option("backup.jitter", "How long `run --due` waits at most before a due run", "30s"),
        ),
    ),
    System(
        "health",
        "foundations",
        "Health endpoint for anything: checks, probes, metrics",
        "api",
        settings=(
            Option(
                "health.checks",
                "what to look at: db, disk:/path, tcp://host:port or a URL; NAME=… names it",
                "db disk:/",
                flag="check",
                metavar="CHECK",
                repeats=True,
            ),
        ),
    ),
    System("todo", "foundations", "Todo-Backend in memory", "api"),
    System(
        "blog",
        "publishing",
        "Multi-author blog: Conduit (RealWorld), /posts, drafts, search, feeds",
        "api jobs",
        settings=(
            Option("blog.title", "What the feeds are called", "Blog"),
            Option("blog.site", "Address of the web site that shows the articles; feeds link to it"),
            Option("blog.guests", "Whether `/posts` may be written without an account", "true"),
        ),
    ),
    System(
        "jwt-auth",
        "identity",
        "Accounts from sign-up to second factors, on the wire of Supabase Auth",
        "api",
        settings=(
            Option("jwt_auth.site_url", "The site that links lead back to", "http://localhost:3000"),
            Option("jwt_auth.redirects", "Other addresses that links may lead to; * and ** stand for names"),
            Option("jwt_auth.external_url", "Where this API is reached from mails", "http://127.0.0.1:8000"),
            Option("jwt_auth.signup", "Whether anybody may sign up", "true"),
            Option("jwt_auth.autoconfirm", "Take addresses without a mail that confirms them", "true"),
            Option("jwt_auth.email", "Sign up and in with e-mail addresses", "true"),
            Option("jwt_auth.phone", "Sign up and in with phone numbers", "false"),
            Option(
                "jwt_auth.phone_autoconfirm", "Take numbers without a message that confirms them", "false"
            ),
            Option("jwt_auth.anonymous", "Let people in without either", "false"),
            Option("jwt_auth.otp_ttl", "Seconds that links and codes hold", "3600"),
            Option("jwt_auth.otp_digits", "Digits of a code, 6 to 10", "6"),
            Option("jwt_auth.mail_interval", "Seconds between two mails or messages for one purpose", "60"),
            Option("jwt_auth.confirm_both", "A change of address needs the old one's consent too", "true"),
            Option(
                "jwt_auth.reauthenticate",
                "A new password needs a code where the sign-in is older than a day",
                "false",
            ),
            Option(
                "jwt_auth.limit", "Tries of one kind from one address in five minutes; 0: no limit", "300"
            ),
            Option("jwt_auth.factors", "Second factors an account may have", "10"),
            Option("jwt_auth.passkeys", "Sign in with passkeys", "true"),
            Option("jwt_auth.rp_id", "Domain of passkeys; the site's where not set"),
            Option("jwt_auth.rp_name", "Name that authenticators show", "backendhub"),
            Option("jwt_auth.rp_origins", "Origins of pages that use passkeys; the site's where not set"),
        ),
    ),
    System(
        "rest",
        "foundations",
        "Any resource as a REST API: json-server 0.17 and 1, over a real database",
        "api",
        settings=(
            Option(
                "rest.files",
                "JSON and CSV files to serve, or folders of them",
                suffixes=(".json", ".csv", ".tsv"),
            ),
            Option(
                "rest.dialect",
                "v0 (json-server 0.17) or v1 (version 1)",
                "v0",
                flag="dialect",
                metavar="NAME",
            ),
            Option("rest.schema", "JSON Schema of rows, by resource", flag="schema", metavar="FILE"),
            Option("rest.routes", "routes in front of the resources", flag="routes", metavar="FILE"),
            Option("rest.strict", "refuse fields and operators that do not exist", "false", flag="strict"),
            Option(
                "rest.references", "refuse references to rows that do not exist", "false", flag="references"
            ),
            Option("rest.read_only", "answer reads only", "false", flag="read-only"),
            Option("rest.pretend", "answer writes, keep none of them", "false", flag="pretend"),
            Option("rest.delay", "milliseconds to wait before every answer", "0", flag="delay", metavar="MS"),
            Option("rest.id", "the member that is a row's id", "id", flag="id", metavar="NAME"),
            Option(
                "rest.foreign_key_suffix",
                "what ends the name of a reference",
                "Id",
                flag="foreign-key-suffix",
                metavar="TEXT",
            ),
            Option("rest.watch", "load the files again when they change", "false", flag="watch"),
            Option("rest.save", "write changes to the .json file", "false", flag="save"),
            Option("rest.reload", "load the files, drop changes made by requests", "false", flag="reload"),
        ),
    ),
    System(
        "bank",
        "business",
        "A bank: accounts, payments, standing orders, statements; Open Banking UK",
        "api jobs",
        settings=(
            Option(
                "bank.verify",
                "add the whole ledger up before the first request",
                "false",
                flag="verify",
            ),
        ),
    ),
    System(
        "payment",
        "business",
        "Stripe you can unplug: intents, refunds, disputes, signed webhooks, a ledger",
        "api jobs",
        settings=(
            Option(
                "payment.fixtures",
                "`stripe`: the ids of Stripe's own examples (cus_123) name things that exist",
                flag="fixtures",
                metavar="NAME",
            ),
            Option(
                "payment.forward",
                "send requests under /v1 to a real gateway (https://api.stripe.com) instead of answering them",
                flag="forward",
                metavar="URL",
            ),
        ),
    ),
)

GROUPS = {
    "everyday": "Everyday tools",
    "foundations": "Foundations",
    "publishing": "Publishing",
    "life": "Life and work",
    "lookups": "Look-ups",
    "media": "Media",
    "identity": "Identity",
    "realtime": "Real time",
    "infrastructure": "Infrastructure",
    "data": "Data",
    "business": "Business",
    "intelligence": "Intelligence",
    "cloud": "Cloud",
}


def find(name: str) -> System | None:
    """The system of that name; installed extensions are looked at only for a name we do not know."""
    for system in SYSTEMS:
        if system.name == name:
            return system
    return next((system for system in extensions() if system.name == name), None)


def extensions() -> list[System]:
    """Systems of other packages, from the entry-point group `backendhub.systems` (a System each)."""
    from importlib.metadata import entry_points  # 50 ms: never on a known name's path

    return [point.load() for point in entry_points(group="backendhub.systems")]
