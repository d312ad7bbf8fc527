"""An event in words: every type that GitHub documents, and a plain line for one that is new."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from .models import Event

ALIASES: dict[str, tuple[str, ...]] = {
    "push": ("PushEvent",),
    "pr": ("PullRequestEvent",),
    "review": ("PullRequestReviewEvent", "PullRequestReviewThreadEvent"),
    "issue": ("IssuesEvent",),
    "comment": (
        "IssueCommentEvent",
        "CommitCommentEvent",
        "PullRequestReviewCommentEvent",
        "DiscussionCommentEvent",
    ),
    "star": ("WatchEvent",),
    "fork": ("ForkEvent",),
    "create": ("CreateEvent",),
    "delete": ("DeleteEvent",),
    "release": ("ReleaseEvent",),
    "wiki": ("GollumEvent",),
    "member": ("MemberEvent",),
    "public": ("PublicEvent",),
    "discussion": ("DiscussionEvent",),
    "sponsor": ("SponsorshipEvent",),
}
SYNONYMS = {"pull": "pr", "issues": "issue", "watch": "star", "stars": "star", "comments": "comment"}


class Words(NamedTuple):
    """What is said of an event: an action for programs, a line for people, a title where there is one."""

    action: str
    text: str
    path: str = ""
    title: str | None = None
    ref: str | None = None


def commits(count: int) -> str:
    """`1 commit`, `3 commits`."""
    return f"{count} commit" + ("" if count == 1 else "s")


def branch(ref: str | None) -> str | None:
    """`main` of `refs/heads/main`."""
    return re.sub(r"^refs/(heads|tags)/", "", ref) if ref else None


def words(event: Event) -> Words:
    """An event in words; pushes without their number of commits."""
    describe = _KINDS.get(event.type, _other)
    return describe(event, event.payload)


def pushed(repo: str, ref: str | None, count: int | None) -> str:
    """The line of a push: never `0 commits`, and never a number that is not known."""
    if count:
        return f"Pushed {commits(count)} to {repo}"
    return f"Pushed to {ref} in {repo}" if ref else f"Pushed to {repo}"


def _text(data: Any, *path: str) -> str | None:
    """A text deep inside a payload; None where any part of the way is missing or something else."""
    for key in path:
        data = data.get(key) if isinstance(data, dict) else None
    if isinstance(data, bool) or not isinstance(data, (str, int)):
        return None
    return str(data) or None


def _push(e: Event, p: dict[str, Any]) -> Words:
    ref = branch(_text(p, "ref"))
    before, head = _text(p, "before"), _text(p, "head")
    path = f"/compare/{before}...{head}" if before and head and before.strip("0") else f"/commits/{ref or ''}"
    return Words("pushed", pushed(e.repo, ref, None), path, ref=ref)


def _create(e: Event, p: dict[str, Any]) -> Words:
    kind, ref = _text(p, "ref_type") or "branch", _text(p, "ref")
    if kind == "repository" or ref is None:
        return Words(
            "created", f"Created {kind} {e.repo}" if kind == "repository" else f"Created a {kind} in {e.repo}"
        )
    return Words("created", f"Created {kind} {ref} in {e.repo}", f"/tree/{ref}", ref=ref)


def _delete(e: Event, p: dict[str, Any]) -> Words:
    ref = _text(p, "ref")
    return Words(
        "deleted",
        f"Deleted {_text(p, 'ref_type') or 'branch'} {ref or ''} in {e.repo}".replace("  ", " "),
        ref=ref,
    )


def _fork(e: Event, p: dict[str, Any]) -> Words:
    target = _text(p, "forkee", "full_name")
    return Words("forked", f"Forked {e.repo} to {target}" if target else f"Forked {e.repo}")


def _watch(e: Event, p: dict[str, Any]) -> Words:
    return Words("starred", f"Starred {e.repo}")


def _issues(e: Event, p: dict[str, Any]) -> Words:
    action, number = _text(p, "action") or "changed", _text(p, "issue", "number")
    title, path = _text(p, "issue", "title"), f"/issues/{number}" if number else "/issues"
    if action == "opened":
        return Words(action, f"Opened a new issue in {e.repo}", path, title)
    return Words(action, f"{_verb(action)} {_numbered('issue', number)} in {e.repo}", path, title)


def _issue_comment(e: Event, p: dict[str, Any]) -> Words:
    issue = p.get("issue")
    on_pull = isinstance(issue, dict) and "pull_request" in issue
    number = _text(p, "issue", "number")
    what = _numbered("pull request" if on_pull else "issue", number)
    path = f"/{'pull' if on_pull else 'issues'}/{number}" if number else ""
    return Words("commented", f"Commented on {what} in {e.repo}", path, _text(p, "issue", "title"))


def _pull(e: Event, p: dict[str, Any]) -> Words:
    action = _text(p, "action") or "changed"
    pull = p.get("pull_request")
    if action == "closed" and isinstance(pull, dict) and (pull.get("merged") or pull.get("merged_at")):
        action = "merged"
    return _on_pull(e, p, action, f"{_verb(action)} {{}}")


def _review(e: Event, p: dict[str, Any]) -> Words:
    state = (_text(p, "review", "state") or "").lower()
    phrases = {"approved": "Approved {}", "changes_requested": "Requested changes on {}"}
    action = state if state in phrases else "dismissed" if _text(p, "action") == "dismissed" else "reviewed"
    return _on_pull(
        e,
        p,
        action,
        phrases.get(action, "Dismissed a review of {}" if action == "dismissed" else "Reviewed {}"),
    )


def _review_comment(e: Event, p: dict[str, Any]) -> Words:
    return _on_pull(e, p, "commented", "Commented on the code of {}")


def _review_thread(e: Event, p: dict[str, Any]) -> Words:
    action = _text(p, "action") or "changed"
    return _on_pull(e, p, action, f"{_verb(action)} a review thread of {{}}")


def _on_pull(e: Event, p: dict[str, Any], action: str, phrase: str) -> Words:
    number = _text(p, "number") or _text(p, "pull_request", "number")
    text = phrase.replace("{}", _numbered("pull request", number)) + f" in {e.repo}"
    return Words(action, text, f"/pull/{number}" if number else "/pulls", _text(p, "pull_request", "title"))


def _commit_comment(e: Event, p: dict[str, Any]) -> Words:
    sha = _text(p, "comment", "commit_id")
    what = f"commit {sha[:7]}" if sha else "a commit"
    return Words("commented", f"Commented on {what} in {e.repo}", f"/commit/{sha}" if sha else "")


def _wiki(e: Event, p: dict[str, Any]) -> Words:
    pages = p.get("pages")
    count = len(pages) if isinstance(pages, list) else 0
    what = f"{count} wiki pages" if count > 1 else "a wiki page"
    first = pages[0] if isinstance(pages, list) and pages else None
    action = (_text(first, "action") or "edited") if count == 1 else "edited"
    return Words(
        action, f"{_verb(action)} {what} of {e.repo}", "/wiki", _text(first, "title") if count == 1 else None
    )


def _member(e: Event, p: dict[str, Any]) -> Words:
    action, who = _text(p, "action") or "changed", _text(p, "member", "login") or "someone"
    word = {"added": "to", "removed": "from"}.get(action, "of")
    return Words(action, f"{_verb(action)} {who} as a collaborator {word} {e.repo}")


def _public(e: Event, p: dict[str, Any]) -> Words:
    return Words("publicized", f"Made {e.repo} public")


def _release(e: Event, p: dict[str, Any]) -> Words:
    action, tag = _text(p, "action") or "published", _text(p, "release", "tag_name")
    path = f"/releases/tag/{tag}" if tag else "/releases"
    return Words(
        action,
        f"{_verb(action)} release {tag or ''} of {e.repo}".replace("  ", " "),
        path,
        _text(p, "release", "name"),
        tag,
    )


def _discussion(e: Event, p: dict[str, Any]) -> Words:
    action, number = _text(p, "action") or "changed", _text(p, "discussion", "number")
    what = "a discussion" if action == "created" else _numbered("discussion", number)
    verb = "Started" if action == "created" else _verb(action)
    path = f"/discussions/{number}" if number else "/discussions"
    return Words(action, f"{verb} {what} in {e.repo}", path, _text(p, "discussion", "title"))


def _discussion_comment(e: Event, p: dict[str, Any]) -> Words:
    number = _text(p, "discussion", "number")
    path = f"/discussions/{number}" if number else "/discussions"
    text = f"Commented on {_numbered('discussion', number)} in {e.repo}"
    return Words("commented", text, path, _text(p, "discussion", "title"))


def _sponsorship(e: Event, p: dict[str, Any]) -> Words:
    who = _text(p, "sponsorship", "sponsorable", "login") or _text(p, "sponsorable", "login")
    return Words(_text(p, "action") or "created", f"Started sponsoring {who or 'someone'}")


def _other(e: Event, p: dict[str, Any]) -> Words:
    """`Deployment status in o/r`: a type that did not exist when this was written."""
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", e.type.removesuffix("Event")).capitalize() or "Something"
    action = _text(p, "action")
    return Words(action or "did", f"{name}{f' {action}' if action else ''} in {e.repo}")


def _numbered(what: str, number: str | None) -> str:
    return f"{what} #{number}" if number else f"{'an' if what[0] in 'aeiou' else 'a'} {what}"


def _verb(action: str) -> str:
    return action.replace("_", " ").capitalize()


_KINDS: dict[str, Callable[[Event, dict[str, Any]], Words]] = {
    "CommitCommentEvent": _commit_comment,
    "CreateEvent": _create,
    "DeleteEvent": _delete,
    "DiscussionEvent": _discussion,
    "DiscussionCommentEvent": _discussion_comment,
    "ForkEvent": _fork,
    "GollumEvent": _wiki,
    "IssueCommentEvent": _issue_comment,
    "IssuesEvent": _issues,
    "MemberEvent": _member,
    "PublicEvent": _public,
    "PullRequestEvent": _pull,
    "PullRequestReviewEvent": _review,
    "PullRequestReviewCommentEvent": _review_comment,
    "PullRequestReviewThreadEvent": _review_thread,
    "PushEvent": _push,
    "ReleaseEvent": _release,
    "SponsorshipEvent": _sponsorship,
    "WatchEvent": _watch,
}
