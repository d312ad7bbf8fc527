"""Everyday tools."""

from __future__ import annotations

from .rows import Option, System

ROWS: tuple[System, ...] = (
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
)
