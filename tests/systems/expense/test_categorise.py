from __future__ import annotations

import pytest

from backendhub.kit.db import Db
from backendhub.kit.errors import Invalid, NotFound
from backendhub.systems.expense import rules, service
from backendhub.systems.expense.categorise import Bayes, Categoriser
from backendhub.systems.expense.models import Source


def teach(db: Db, *rows: tuple[str, str], kind: str = "expense") -> None:
    for description, category in rows:
        service.add(db, description=description, amount="1", category=category, kind=kind)


def test_order_of_the_steps(db: Db) -> None:
    guess = Categoriser(db).guess("Uber trip 123")
    assert (guess.category, guess.source) == ("transport", Source.KEYWORD)
    teach(db, ("Blue Bottle kiosk", "treats"), ("Red Bottle kiosk", "treats"), ("Rent flat", "housing"))
    teach(db, ("Rent flat", "housing"), ("Flat heating", "housing"))
    guess = Categoriser(db).guess("Green bottle kiosk")
    assert (guess.category, guess.source) == ("treats", Source.BAYES)
    assert guess.reason == "learned from 2 similar"
    teach(db, ("UBER *TRIP 999", "work"))
    guess = Categoriser(db).guess("Uber trip 123")
    assert (guess.category, guess.source, guess.reason) == ("work", Source.PAYEE, "same payee as 1 entry")
    rules.add(db, pattern=r"\buber\b", category="travel")
    guess = Categoriser(db).guess("Uber trip 123")
    assert (guess.category, guess.source, guess.reason) == (
        "travel",
        Source.RULE,
        rf"rule {rules.find_all(db)[0].id}: \buber\b",
    )


def test_abstains(db: Db) -> None:
    teach(db, ("Corner kiosk", "treats"), ("Station kiosk", "travel"))
    for text in ("Other kiosk", "Never heard of", "12345"):
        guess = Categoriser(db).guess(text)
        assert (guess.category, guess.source, guess.reason) == ("uncategorized", Source.NONE, None), text


def test_one_entry_is_no_evidence(db: Db) -> None:
    teach(db, ("Zorp kiosk", "treats"), ("Rent flat", "housing"))
    assert Categoriser(db).guess("Zorp bar zorp stand").source is not Source.BAYES


def test_a_tie_of_payees_is_no_opinion(db: Db) -> None:
    teach(db, ("Acme", "work"), ("Acme", "fun"))
    assert Categoriser(db).guess("ACME 2").source is Source.NONE


def test_guesses_do_not_teach(db: Db) -> None:
    for _ in range(3):
        service.add(db, description="Lunch special", amount="1")
    assert Categoriser(db).guess("Lunch special").source is Source.KEYWORD


def test_income_and_spending_are_apart(db: Db) -> None:
    teach(db, ("Acme payroll", "salary"), kind="income")
    assert Categoriser(db).guess("Acme payroll").source is Source.NONE
    assert Categoriser(db).guess("Acme payroll", income=True).category == "salary"
    assert Categoriser(db).guess("Monthly salary", income=True).source is Source.KEYWORD


def test_add_says_why(db: Db) -> None:
    assert service.add(db, description="Taxi", amount="1").reason == "the word “taxi”"
    assert service.add(db, description="Taxi", amount="1", category="x").reason is None


def test_bayes_is_multinomial_with_add_one_smoothing() -> None:
    model = Bayes([(["a", "b"], "x"), (["a"], "x"), (["c"], "y")])
    # P(x) = 2/3, P(a|x) = 3/6; P(y) = 1/3, P(a|y) = 1/4
    expected = (2 / 3 * 3 / 6) / (2 / 3 * 3 / 6 + 1 / 3 * 1 / 4)
    scores = dict(model.posteriors(["a", "unseen"]))
    assert scores["x"] == pytest.approx(expected)
    assert sum(scores.values()) == pytest.approx(1)
    assert model.posteriors(["unseen"]) == ()
    assert model.evidence(["a"], "x") == 2


def test_review_and_apply(db: Db) -> None:
    service.add(db, description="Zorp", amount="1")
    entry = service.add(db, description="Zorp again", amount="1")
    rules.add(db, pattern="zorp", category="fun")
    assert [(r.suggested, r.changed) for r in rules.review(db)] == [("fun", True), ("fun", True)]
    assert service.get(db, entry.id).category == "uncategorized"
    rules.review(db, apply=True)
    assert service.get(db, entry.id).category_source is Source.RULE
    assert rules.review(db) == []


@pytest.mark.parametrize("pattern", ["(", "", ".*", "a?", "x" * 201])
def test_bad_rules(db: Db, pattern: str) -> None:
    with pytest.raises(Invalid):
        rules.add(db, pattern=pattern, category="food")


@pytest.mark.usefixtures("owners")
def test_rules_belong_to_owners(db: Db) -> None:
    rule = rules.add(db, pattern="zorp", category="fun", owner="ann")
    assert Categoriser(db).guess("zorp").source is Source.NONE
    with pytest.raises(NotFound):
        rules.remove(db, rule.id)
    rules.remove(db, rule.id, owner="ann")
