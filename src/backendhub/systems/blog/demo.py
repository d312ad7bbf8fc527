"""A magazine of five authors, written through the service."""

from __future__ import annotations

from datetime import timedelta
from typing import NamedTuple

from backendhub.kit import accounts, clock
from backendhub.kit.db import Db
from backendhub.kit.identity import Principal

from .models import State
from .service import articles, comments, people

AUTHORS = {
    "amira": ("Amira Haddad", "Builds timetables for a railway. Writes about trains, maps and patience."),
    "jonas": ("Jonas Lindqvist", "Baker by night, database administrator by day."),
    "mei": ("Mei Tanaka", "Repairs bicycles and the occasional radio in Utrecht."),
    "tomas": ("Tomás Oliveira", "Gardens on a balcony of four square metres."),
    "ruth": ("Ruth Adeyemi", "Teaches statistics. Edits this magazine."),
}


class Piece(NamedTuple):
    """An article of the sample: who wrote it, how many days ago it came out, and the rest."""

    author: str
    days: float
    title: str
    category: str
    tags: str
    body: str


SAMPLE = (
    Piece("ruth", 118, "Why we started a small magazine", "House", "meta writing", "Five people, one page a week, no advertisements. We write about **things we have done with our own hands** and say what went wrong."),
    Piece("amira", 112, "Night trains worth losing sleep over", "Travel", "trains europe", "## Three to begin with\n\n1. Stockholm to Narvik, for the light.\n2. Zürich to Zagreb, for the price.\n3. Paris to Nice, for breakfast by the sea.\n\nBring earplugs. *Always* bring earplugs."),
    Piece("jonas", 107, "A starter that survives your holidays", "Kitchen", "bread sourdough", "Dry it. Spread a spoonful on baking paper, let it go crisp, crumble it into a jar. After three weeks away, two feedings bring it back.\n\n> Mine has crossed the Atlantic in a sock."),
    Piece("mei", 103, "Truing a wheel with a zip tie", "Workshop", "bicycle repair", "You need no truing stand. Fix a zip tie to the fork, trim it until it *just* touches the rim, and spin. Quarter turns, opposite spokes, tea breaks."),
    Piece("tomas", 99, "Tomatoes in four square metres", "Garden", "balcony vegetables", "Two plants, not six. One gets the sunny corner, the other is the insurance. Water in the morning; leaves hate wet nights."),
    Piece("ruth", 94, "How to lie with a bar chart, and how to notice", "Numbers", "statistics charts", "Look at the axis first. If it does not start at zero, the picture is an opinion.\n\n| Trick | Tell |\n|---|---|\n| Cut axis | No zero |\n| Two axes | Lines that cross *just so* |\n| Pictures | Twice as high is four times as large |"),
    Piece("amira", 90, "Reading a graphic timetable", "Travel", "trains maps", "Étienne-Jules Marey did not invent it, but he printed the best one. Distance runs down, time runs right, and **a steep line is a fast train**."),
    Piece("jonas", 85, "Indexes, explained with a cookbook", "Computers", "databases code", "The index at the back of a cookbook is sorted by ingredient and points to pages. A covering index is one that says *how long to bake it*, so that you never turn to the page.\n\n```sql\nCREATE INDEX recipe_by_ingredient ON recipe (ingredient, minutes);\n```"),
    Piece("mei", 80, "The radio that only received Hilversum", "Workshop", "radio repair", "A dead capacitor, a mouse nest and sixty years of tobacco. After cleaning, it received everything else, too, and its owner was a little disappointed."),
    Piece("tomas", 76, "Compost without a garden", "Garden", "balcony compost", "A lidded bucket, a handful of soil, worms from a friend. It should smell of forest. If it smells of anything else, add cardboard."),
    Piece("ruth", 71, "Averages are for people who cannot afford a histogram", "Numbers", "statistics", "Half the class arrived on time, half an hour late. *On average* everybody came at a quarter past, which nobody did."),
    Piece("amira", 66, "What a missed connection costs", "Travel", "trains statistics", "We counted: of 1,212 changes at one junction, 31 failed. The cost is not the waiting. It is that people plan for it afterwards."),
    Piece("jonas", 61, "Rye, water, salt", "Kitchen", "bread", "A loaf that keeps for ten days and gets better for three of them. 500 g rye, 420 g water, 10 g salt, and a starter that has had its breakfast."),
    Piece("mei", 57, "Cables, and why they always fail in the rain", "Workshop", "bicycle", "Water does not break a cable. It carries grit into the housing, and grit does. One drop of thick oil in each end, twice a year."),
    Piece("tomas", 52, "A herb for every kind of forgetting", "Garden", "balcony herbs", "Forget to water: thyme. Forget to prune: mint, *in its own pot*. Forget it entirely: chives."),
    Piece("jonas", 47, "The backup that was never restored", "Computers", "databases backup", "It ran every night for four years. The file was 20 bytes long. **A backup that was never restored is a rumour.**"),
    Piece("ruth", 42, "Small samples, large headlines", "Numbers", "statistics writing", "With twelve people you can find out almost anything once. Ask how many they asked, then ask who they did not."),
    Piece("amira", 37, "A map of everything that closes on Sunday", "Travel", "maps", "It is mostly a map of Germany. The exceptions are stations, and this is why so many of us know station bakeries by name."),
    Piece("mei", 32, "Tools I gave away", "Workshop", "repair writing", "A torque wrench that lied, three chain breakers, and a stand for a bicycle I no longer own. I kept the hammer."),
    Piece("tomas", 27, "Bees on the fourth floor", "Garden", "balcony insects", "They came for the chives. They stayed for the borage. We have agreed on visiting hours."),
    Piece("jonas", 21, "Transactions, explained with a till", "Computers", "databases code", "Either the coffee is on the bill and in the cup, or neither. Everything else about isolation levels is about what the person *behind you in the queue* can see."),
    Piece("ruth", 16, "Asking better questions in a survey", "Numbers", "statistics writing", "Do not ask whether people read the terms. Ask what they had for breakfast, and see who has learnt to answer without thinking."),
    Piece("amira", 11, "Narvik, again", "Travel", "trains", "The light had moved. So had the buffet car. Seventeen hours, one moose, and no signal: <em>perfect</em>."),
    Piece("mei", 6, "A lamp from a dynamo", "Workshop", "bicycle radio", "Rectifier, capacitor, one bright LED. It glows at walking pace and outlives the ride by two minutes. Circuit below.\n\n![Circuit of the lamp](/images/dynamo-lamp.svg)"),
    Piece("tomas", 2, "What to sow before the frost is over", "Garden", "balcony vegetables", "Broad beans, spinach, optimism."),
)  # fmt: skip
DRAFT = Piece(
    "ruth", 0, "House style, second edition", "House", "meta", "Short words. Long walks. (To be continued.)"
)
AHEAD = Piece("jonas", -3, "Stollen, begun too late", "Kitchen", "bread", "It wants three weeks in the dark. You have two. Here is what to do.")  # fmt: skip

REMARKS = (
    ("night-trains-worth-losing-sleep-over", "ruth", "I can confirm the breakfast."),
    ("night-trains-worth-losing-sleep-over", "mei", "Do they take bicycles?"),
    ("night-trains-worth-losing-sleep-over", "amira", "Narvik does. Book the hook, not the bed."),
    ("a-starter-that-survives-your-holidays", "tomas", "Mine did not survive the sock."),
    ("indexes-explained-with-a-cookbook", "amira", "Finally. Now do query planners with a kitchen."),
    ("how-to-lie-with-a-bar-chart-and-how-to-notice", "jonas", "Our quarterly report has all three."),
    ("the-backup-that-was-never-restored", "ruth", "20 bytes! What was in them?"),
    ("the-backup-that-was-never-restored", "jonas", "A very polite error message."),
    ("bees-on-the-fourth-floor", "mei", "Send honey."),
    ("narvik-again", "tomas", "Was it the same moose?"),
)
FOLLOWS = {
    "amira": ("jonas", "ruth"),
    "jonas": ("ruth", "mei"),
    "mei": ("tomas", "amira"),
    "tomas": ("amira", "jonas", "mei"),
    "ruth": ("amira", "jonas", "mei", "tomas"),
}


def load(db: Db) -> int:
    """Adds the sample and says how many articles that were: 0 where there are articles already.

    The authors have no password; `backendhub user passwd amira` gives one.
    """
    if articles.count(db) or any(accounts.by_username(db, name) for name in AUTHORS):
        return 0
    who = {name: _author(db, name) for name in AUTHORS}
    now = clock.precise()
    slugs = []
    for piece in (*SAMPLE, AHEAD):
        values = piece._asdict() | {"publish_at": now - timedelta(days=piece.days)}
        slugs.append(_write(db, who, values))
    _write(db, who, DRAFT._asdict() | {"state": State.DRAFT})
    for slug, name, text in REMARKS:
        comments.add(db, who[name], slug, text)
    for reader, followed in FOLLOWS.items():
        for name in followed:
            people.follow(db, who[reader], name)
    for number, slug in enumerate(slugs[: len(SAMPLE)]):
        for reader in [n for i, n in enumerate(AUTHORS) if (number * number + i * 3) % 7 < 3]:
            articles.favorite(db, who[reader], slug)
    return len(SAMPLE) + 2


def _author(db: Db, name: str) -> Principal:
    full_name, bio = AUTHORS[name]
    user = accounts.add(db, email=f"{name}@magazine.example", username=name, name=full_name, roles=["writer"])
    people.edit(db, user.id, bio=bio)
    return Principal(user.id, name, frozenset({"writer"}))


def _write(db: Db, who: dict[str, Principal], values: dict[str, object]) -> str:
    author = who[str(values.pop("author"))]
    values.pop("days")
    tags = str(values.pop("tags")).split()
    return articles.add(db, author, tags=tags, **values).slug  # type: ignore[arg-type]
