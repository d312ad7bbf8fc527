"""What is asked of TMDB (https://developer.themoviedb.org/reference), and what its answers mean."""

from __future__ import annotations

from typing import Any, NamedTuple

from backendhub.kit.errors import HubError, Invalid, NotFound, TooMany, Unauthenticated, Upstream
from backendhub.kit.http import Client, Http, Response
from backendhub.kit.settings import Settings

from . import credential
from .models import Detail, Item, Kind, Person

API = "https://api.themoviedb.org/3"
ENGLISH = "en-US"
HOUR, WEEK = 3600.0, 7 * 86400.0
MAX_PAGE = 500
LISTS = {
    Kind.MOVIE: {"playing": "now_playing", "popular": "popular", "top": "top_rated", "upcoming": "upcoming"},
    Kind.TV: {"playing": "on_the_air", "popular": "popular", "top": "top_rated", "airing": "airing_today"},
}
POSTER_SIZE = "w500"
CAST, KEYWORDS = 8, 12  # how many of each say something about a film


def client(http: Http, settings: Settings) -> Client:
    """A client with the user's credential. Raises Unauthenticated where there is none."""
    return http.client(
        base_url=settings.get("tmdb.url") or API,
        name="TMDB",
        ttl=HOUR,
        secret=credential.find(settings).credential,
        hints={
            "unauthenticated": "backendhub tmdb auth status",
            "rate_limited": "TMDB allows about 40 requests a second",
        },
        explain=explain,
    )


def explain(response: Response) -> HubError | None:
    """TMDB's own `status_code`, where it says more than the HTTP status."""
    try:
        data = response.json()
    except Upstream:
        return None
    code = data.get("status_code") if isinstance(data, dict) else None
    said = str(data.get("status_message") or "").rstrip(".") if isinstance(data, dict) else ""
    match code:
        case 3 | 7 | 10 | 14:
            return Unauthenticated(
                f"TMDB does not accept the credential: {said}.", hint="backendhub tmdb auth status"
            )
        case 6 | 34:
            return NotFound("TMDB has no such entry.")
        case 25:
            return TooMany("TMDB's rate limit is used up.", hint="it allows about 40 requests a second")
        case 22:
            return Invalid(f"TMDB: {said}.", hint=f"pages go from 1 to {MAX_PAGE}")
        case 9 | 11 | 24 | 43 | 46:
            return Upstream(f"TMDB failed: {said}.", hint="try again later")
    return None


class Api(NamedTuple):
    """A client and the language that answers should be in."""

    client: Client
    language: str = ENGLISH
    region: str | None = None

    def page(self, path: str, **params: object) -> list[dict[str, Any]]:
        """The results of a paged answer, with English where a text is missing."""
        rows = self._rows(path, self.language, params)
        if self.language != ENGLISH and any(_lacking(row) for row in rows):
            english = {row.get("id"): row for row in self._rows(path, ENGLISH, params)}
            rows = [_filled(row, english.get(row.get("id"), {})) for row in rows]
        return rows

    def _rows(self, path: str, language: str, params: dict[str, object]) -> list[dict[str, Any]]:
        data = self.client.get(path, {"language": language, **params}).record()
        rows = data.get("results")
        if not isinstance(rows, list):
            raise Upstream("TMDB answered in an unexpected shape (no results).")
        return [row for row in rows if isinstance(row, dict) and isinstance(row.get("id"), int)]

    def one(self, path: str, **params: object) -> dict[str, Any]:
        """A single entry, with English where a text is missing."""
        data = self.client.get(path, {"language": self.language, **params}, ttl=WEEK).record()
        if self.language != ENGLISH and _lacking(data):
            data = _filled(data, self.client.get(path, {"language": ENGLISH, **params}, ttl=WEEK).record())
        return data

    def genres(self, kind: Kind) -> dict[int, str]:
        """Genre names by id."""
        data = self.client.get(f"/genre/{kind}/list", {"language": self.language}, ttl=WEEK).record()
        rows = data.get("genres")
        return {g["id"]: str(g["name"]) for g in rows if g.get("name")} if isinstance(rows, list) else {}

    def posters(self) -> str:
        """What a poster's path hangs on."""
        images = self.client.get("/configuration", ttl=WEEK).record().get("images")
        base = images.get("secure_base_url") if isinstance(images, dict) else None
        if not isinstance(base, str):
            raise Upstream("TMDB answered in an unexpected shape (no image address).")
        return base + POSTER_SIZE

    def items(self, kind: Kind, rows: list[dict[str, Any]]) -> list[Item]:
        """Rows of a list as items."""
        if not rows:
            return []
        genres, posters = self.genres(kind), self.posters()
        return [_item(kind, row, genres, posters) for row in rows]

    def listing(self, kind: Kind, name: str, page: int) -> list[Item]:
        """A page of one of TMDB's lists."""
        region = {"region": self.region} if self.region and kind is Kind.MOVIE else {}
        return self.items(kind, self.page(f"/{kind}/{LISTS[kind][name]}", page=page, **region))

    def search(self, kind: Kind, text: str, *, year: int | None = None, page: int = 1) -> list[Item]:
        """A page of what matches a title."""
        year_name = "year" if kind is Kind.MOVIE else "first_air_date_year"
        params = {
            "query": text,
            "page": page,
            "include_adult": "false",
            year_name: year,
            "region": self.region,
        }
        return self.items(kind, self.page(f"/search/{kind}", **params))

    def related(self, kind: Kind, id: int) -> list[Item]:
        """What TMDB puts beside an item: candidates for our own ranking."""
        return self.items(kind, self.page(f"/{kind}/{id}/recommendations", page=1))

    def detail(self, kind: Kind, id: int) -> Detail:
        """Everything about an item. Raises NotFound."""
        data = self.one(f"/{kind}/{id}", append_to_response="credits,keywords")
        return Detail(_detailed(kind, data, self.posters()), _facts(kind, data))

    def person(self, name: str) -> Person:
        """Someone by id or name. Raises NotFound."""
        if name.isdecimal():
            id = int(name)
        else:
            rows = self.page("/search/person", query=name, include_adult="false")
            if not rows:
                raise NotFound(f"TMDB knows nobody called {name!r}.")
            id = rows[0]["id"]
        data = self.one(f"/person/{id}", append_to_response="combined_credits")
        return _person(data)

    def verify(self) -> None:
        """Asks whether the credential is accepted. Raises Unauthenticated where it is not."""
        self.client.get("/authentication", keep=False)


def _lacking(row: dict[str, Any]) -> bool:
    return any(name in row and not row[name] for name in ("overview", "title", "name", "biography"))


def _filled(row: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    texts = ("overview", "title", "name", "biography", "tagline")
    return row | {name: other[name] for name in texts if not row.get(name) and other.get(name)}


def _item(kind: Kind, row: dict[str, Any], genres: dict[int, str], posters: str) -> Item:
    ids = [g for g in row.get("genre_ids") or () if isinstance(g, int)]
    names = {f"genre:{id}": genres.get(id, str(id)) for id in ids}
    return _make(kind, row, tuple(names.values()), names | _common(row, kind), posters, detailed=False)


def _detailed(kind: Kind, data: dict[str, Any], posters: str) -> Item:
    genres = {f"genre:{g['id']}": str(g["name"]) for g in data.get("genres") or () if g.get("name")}
    features = genres | _common(data, kind)
    for person in _crew(data) + _people(data.get("created_by")):
        features[f"director:{person['id']}"] = str(person["name"])
    for person in _cast(data):
        features[f"cast:{person['id']}"] = str(person["name"])
    words = data.get("keywords") or {}
    for word in (words.get("keywords") or words.get("results") or ())[:KEYWORDS]:
        features[f"keyword:{word['id']}"] = str(word["name"])
    return _make(kind, data, tuple(genres.values()), features, posters, detailed=True)


def _make(
    kind: Kind,
    row: dict[str, Any],
    genres: tuple[str, ...],
    features: dict[str, str],
    posters: str,
    *,
    detailed: bool,
) -> Item:
    title = row.get("title") or row.get("name") or row.get("original_title") or row.get("original_name")
    poster = row.get("poster_path")
    return Item(
        kind,
        int(row["id"]),
        str(title or f"#{row['id']}"),
        row.get("release_date") or row.get("first_air_date") or None,
        float(row.get("vote_average") or 0),
        int(row.get("vote_count") or 0),
        genres,
        posters + poster if isinstance(poster, str) else None,
        str(row.get("overview") or ""),
        features,
        detailed,
    )


def _common(row: dict[str, Any], kind: Kind) -> dict[str, str]:
    """The features that a list tells too."""
    features = {}
    if language := row.get("original_language"):
        features[f"language:{language}"] = f"original language {language}"
    year = str(row.get("release_date") or row.get("first_air_date") or "")[:4]
    if year.isdecimal() and len(year) == 4:
        features[f"decade:{year[:3]}"] = f"the {year[:3]}0s"
    return features


def _people(rows: Any) -> list[dict[str, Any]]:
    found = rows if isinstance(rows, list) else []
    return [p for p in found if isinstance(p, dict) and p.get("id") and p.get("name")]


def _cast(data: dict[str, Any]) -> list[dict[str, Any]]:
    return _people((data.get("credits") or {}).get("cast"))[:CAST]


def _crew(data: dict[str, Any]) -> list[dict[str, Any]]:
    return [p for p in _people((data.get("credits") or {}).get("crew")) if p.get("job") == "Director"]


def _facts(kind: Kind, data: dict[str, Any]) -> dict[str, Any]:
    facts: dict[str, Any] = {"tagline": data.get("tagline") or None, "status": data.get("status") or None}
    if kind is Kind.MOVIE:
        facts["runtime"] = data.get("runtime") or None
        facts["directors"] = [p["name"] for p in _crew(data)]
    else:
        facts["seasons"] = data.get("number_of_seasons")
        facts["episodes"] = data.get("number_of_episodes")
        facts["creators"] = [p["name"] for p in _people(data.get("created_by"))]
    facts["cast"] = [{"name": p["name"], "character": p.get("character") or None} for p in _cast(data)]
    return facts


def _person(data: dict[str, Any]) -> Person:
    credits = data.get("combined_credits") or {}
    rows = [c for part in ("cast", "crew") for c in credits.get(part) or () if isinstance(c, dict)]
    best: dict[tuple[str, int], dict[str, Any]] = {}
    for row in sorted(rows, key=lambda c: -(c.get("vote_count") or 0)):
        role = row.get("character") or row.get("job") or None
        best.setdefault(
            (str(row.get("media_type")), int(row.get("id") or 0)),
            {
                "id": row.get("id"),
                "kind": row.get("media_type"),
                "title": row.get("title") or row.get("name"),
                "role": role,
                "releaseDate": row.get("release_date") or row.get("first_air_date") or None,
            },
        )
    texts = {n: data.get(n) or None for n in ("birthday", "deathday", "place_of_birth")}
    return Person(
        int(data["id"]),
        str(data.get("name") or ""),
        data.get("known_for_department") or None,
        **texts,
        biography=str(data.get("biography") or ""),
        credits=list(best.values())[:15],
    )
