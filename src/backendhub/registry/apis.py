"""Foundations, publishing, identity, data: every other API."""

from __future__ import annotations

from .rows import Option, System

ROWS: tuple[System, ...] = (
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
        "analytics",
        "data",
        "Web and product analytics: Segment's and Plausible's wire, funnels, a dashboard",
        "api jobs",
        settings=(
            Option(
                "analytics.known_only",
                "take events only for write keys and domains that were given out",
                "false",
                flag="known-only",
            ),
        ),
        uses="events",
    ),
)
