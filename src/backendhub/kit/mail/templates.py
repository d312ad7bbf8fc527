"""Templates of mails: `blog/welcome` is `mail/welcome.txt` (and `.html`) in the folder of the system `blog`.

The first line of the text is `Subject: …`. Names that are not given are errors. HTML escapes what it is given.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from backendhub.kit.errors import Invalid, NotFound

PACKAGE = Path(__file__).parents[2]
_elsewhere: dict[str, Path] = {}


class Rendered(NamedTuple):
    """A template filled in."""

    subject: str
    text: str
    html: str | None


def register(system: str, folder: Path) -> None:
    """Names the folder of templates of a system that lives outside this package."""
    _elsewhere[system] = folder
    _environment.cache_clear()


def render(name: str, context: dict[str, Any]) -> Rendered:
    """Fills a template in. Raises NotFound where there is none and Invalid where something is missing."""
    import jinja2

    system, _, template = name.partition("/")
    if not re.fullmatch(r"[a-z][a-z0-9-]*/[a-z][a-z0-9_-]*", name):
        raise Invalid(f"{name!r} is no name of a template.", hint="<system>/<name>")
    environment = _environment(system)
    try:
        text = environment.get_template(f"{template}.txt").render(context)
        html = None
        if f"{template}.html" in environment.list_templates():
            html = environment.get_template(f"{template}.html").render(context)
    except jinja2.TemplateNotFound as error:
        raise NotFound(f"There is no template {error.name!r} of {system}.") from None
    except jinja2.UndefinedError as error:
        raise Invalid(f"The template {name} cannot be filled in: {error.message}.") from None
    first, _, rest = text.partition("\n")
    label, colon, subject = first.partition(":")
    if label.strip().lower() != "subject" or not colon:
        raise Invalid(f"The template {name} does not begin with `Subject: …`.")
    return Rendered(subject.strip(), rest.lstrip("\n"), html)


@cache
def _environment(system: str) -> Any:
    import jinja2

    name = system.replace("-", "_")
    folders = [PACKAGE / "systems" / name / "mail", PACKAGE / "kit" / name / "mail"]
    if system in _elsewhere:
        folders.insert(0, _elsewhere[system])
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(folders),
        autoescape=lambda template: template is not None and template.endswith(".html"),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
