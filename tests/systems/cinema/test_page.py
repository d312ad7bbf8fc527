"""The pages in which a person chooses seats: as plain forms, and in a real browser."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from backendhub.kit.hub import Hub
from backendhub.systems.cinema.service import shows


@pytest.fixture
def world(hub: Hub, building: Any, frozen: Callable[[str], None]) -> Any:
    return hub.unit(building)


@pytest.fixture
def http(client: Callable[..., Any], world: Any) -> Any:
    return client("cinema")


def form(http: Any, path: str, **fields: Any) -> Any:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}  # as browsers say of an empty form too
    return http.post(path, data=fields, headers=headers, follow_redirects=False)


def test_the_programme_says_what_is_on(http: Any, world: Any, hub: Hub) -> None:
    page = http.get("/")
    assert page.status_code == 200 and "Tuesday, 06 January" in page.text
    assert f'href="/shows/{world.show.id}/pick"' in page.text
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy
    for address in set(re.findall(r'(?:href|src)="(/[^"#]*)"', page.text)):
        assert http.get(address).status_code == 200, address
    assert not re.findall(r'(?:href|src)="https?:', page.text) and "style=" not in page.text
    hub.unit(shows.cancel, world.show.id)
    assert "No shows are announced" in http.get("/").text
    assert "called off" in http.get(f"/shows/{world.show.id}/pick").text
    assert http.get("/static/../api.py").status_code == 404


def test_seats_are_chosen_booked_and_given_back_without_scripts(http: Any, world: Any) -> None:
    here = f"/shows/{world.show.id}/pick"
    page = http.get(here).text
    assert page.count('type="checkbox"') == 16 and "disabled" not in page
    assert 'aria-label="Row C seat 1, Premium, EUR 13.50"' in page
    assert '"@type": "ScreeningEvent"' in page and 'data-currency="EUR" data-digits="2"' in page
    assert form(http, here).status_code == 422
    first = form(http, here, seats=["A-1", "C-1"])
    assert first.status_code == 303
    checkout = http.get(first.headers["location"])
    assert "A-1, C-1" in checkout.text and "EUR 23.00" in checkout.text
    late = form(http, here, seats=["A-1", "A-2"])
    assert late.status_code == 409 and "Not free: A-1. No seat was taken." in late.text
    assert re.search(r'value="A-2"[^>]* checked>', late.text) and re.search(
        r'value="A-1"[^>]* disabled>', late.text
    )
    wrong = form(http, first.headers["location"], name=" ")
    assert wrong.status_code == 422
    booked = form(http, first.headers["location"], name="<b>Amira</b>", email="")
    assert booked.status_code == 303
    cookie = booked.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=Lax" in cookie
    tickets = http.get(booked.headers["location"])
    assert tickets.text.count("<svg") == 2 and "&lt;b&gt;Amira&lt;/b&gt;" in tickets.text
    assert "Cancel this booking" in tickets.text
    again = form(http, first.headers["location"], name="Amira")
    assert again.status_code == 409 and "Not booked" in again.text
    gone = form(http, booked.headers["location"].replace("/tickets", "/give-back"))
    assert gone.status_code == 303
    shown = http.get(gone.headers["location"]).text
    assert "This booking is cancelled." in shown and "<svg" not in shown
    http.cookies.clear()
    assert http.get(booked.headers["location"]).status_code == 404
    assert http.get(f"/shows/{world.show.id}/seats").json()["free"] == 16


def test_the_best_are_chosen_and_an_expired_hold_is_said(
    http: Any, world: Any, frozen: Callable[[str], None]
) -> None:
    here = f"/shows/{world.show.id}/pick"
    kept = form(http, here, best=3).headers["location"]
    assert form(http, here, best=14).status_code == 409
    assert "Give the seats back" in http.get(kept).text
    assert form(http, kept.replace("checkout", "give-up")).headers["location"] == "/"
    kept = form(http, here, best=3).headers["location"]
    frozen("2026-01-05T09:10:00Z")
    assert http.get(kept).status_code == 409
    assert form(http, kept, name="Amira").status_code == 409
    frozen("2026-01-06T20:00:00Z")
    begun = http.get(here).text
    assert "The show has begun." in begun and "<button" not in begun
    assert form(http, here, seats=["A-1"]).status_code == 409


# -- in a browser ------------------------------------------------------------------------------------------


@pytest.mark.browser
def test_in_a_browser(tmp_path: Path, served: Callable[..., str], browser: Any) -> None:
    walk(browser, served(), Path(os.environ.get("BACKENDHUB_TEST_SCREENSHOTS") or tmp_path))
    assert browser.troubles() == []


def arrows(*keys: str) -> str:
    """Presses arrow keys where the focus is; the seats that it comes to."""
    event = "new KeyboardEvent('keydown', {key, bubbles: true})"
    pressed = f"document.activeElement.dispatchEvent({event}), document.activeElement.value"
    return f"{list(keys)}.map((key) => ({pressed}))"


def over(page: Any) -> None:
    """Arrows go over seats that are taken, which cannot have the focus; a seat that is lost under the finger keeps it."""
    page.js(
        "globalThis.gap = [...document.querySelectorAll('.row')].map((row) => [...row.querySelectorAll('input')])"
        ".map((row) => row.slice(row.findIndex((box) => !box.disabled))).find((row) => row.some((box) => box.disabled))"
    )
    free = page.js("gap.filter((box) => !box.disabled).map((box) => box.value)")
    page.js("gap[0].focus()")
    assert page.js(arrows(*["ArrowRight"] * (len(free) - 1))) == free[1:]
    page.js(
        "globalThis.fetch = async () => ({ok: true, json: async () => ({seats: [{label: document.activeElement.value, status: 'held'}]})})"
    )
    page.js(
        "document.dispatchEvent(new Event('visibilitychange'))"
    )  # as when somebody comes back to the page
    page.wait(lambda: page.js("document.activeElement.dataset.taken === 'true'"))
    page.press(" ")
    assert (
        page.js("document.activeElement.checked") is False
        and page.js("document.activeElement.value") == free[-1]
    )
    assert f"taken {free[-1]}" in page.js("document.querySelector('#news').textContent")


def walk(page: Any, url: str, shots: Path) -> None:
    """From the programme to the tickets, by keyboard where it matters."""
    page.look(height=1000)
    page.open(url)
    page.screenshot(shots / "programme.png")
    page.js("[...document.querySelectorAll('.times a')].at(-1).click()")
    page.wait(lambda: page.js("!!document.querySelector('form[data-seats]')"))
    assert page.js("document.querySelector('output').textContent") == "No seat chosen yet"
    pair = "[...document.querySelectorAll('.row input')].find((box) => !box.disabled && box.parentElement.nextElementSibling?.querySelector?.('input:not(:disabled)'))"
    page.js(f"{pair}.focus()")
    page.press(" ")
    assert (
        page.js("[...document.querySelectorAll('.row input')].filter((box) => box.tabIndex === 0).length")
        == 1
    )
    page.js(arrows("ArrowRight"))
    page.press(" ")
    told = page.js("document.querySelector('output').textContent")
    assert (told.startswith("2 seats: ") and "€" in told) or "EUR" in told
    chosen = page.js("[...document.querySelectorAll('input[name=seats]:checked')].map((box) => box.value)")
    assert len(chosen) == 2 and chosen[0][0] == chosen[1][0]
    page.screenshot(shots / "seats.png")
    page.look(dark=True, height=1000)
    page.screenshot(shots / "seats-dark.png")
    page.look(dark=True, width=360, height=1000)
    page.screenshot(shots / "seats-phone.png")
    assert page.js("document.documentElement.scrollWidth <= innerWidth")
    over(page)
    unnamed = "[...document.querySelectorAll('input,button,select')].filter((e) => !e.labels?.length && !e.ariaLabel && !e.textContent.trim()).length"
    assert page.js(unnamed) == 0
    page.look(height=1000)
    page.js("document.querySelector('.bar button').click()")
    page.wait(lambda: page.js("!!document.querySelector('[data-until]')"))
    page.wait(lambda: "left" in page.js("document.querySelector('[data-until]').textContent"))
    assert all(label in page.js("document.body.textContent") for label in chosen)
    page.screenshot(shots / "checkout.png")
    page.js("document.querySelector('input[name=name]').value = 'Amira Haddad'")
    page.js("document.querySelector('button.main').click()")
    page.wait(lambda: page.js("document.querySelectorAll('.tickets svg').length") == 2)
    page.screenshot(shots / "tickets.png")
