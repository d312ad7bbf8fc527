"""The shop's pages in a real browser: a purchase with the script and without, and the back office."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from socket import socket
from typing import Any

import pytest

PASSWORD = "correct horse battery staple"
UNNAMED = """[...document.querySelectorAll("input,select,button,a")].filter(e => e.type !== "hidden" &&
  !(e.labels && e.labels.length) && !e.getAttribute("aria-label") && !e.textContent.trim()).map(e => e.outerHTML)"""
WIDE = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture
def look(browser: Any) -> Callable[[str], None]:
    """Looks at the page in light and dark, wide and narrow; keeps pictures where BACKENDHUB_TEST_SCREENSHOTS names a
    folder."""

    def at(name: str) -> None:
        for dark, width in ((False, 1200), (True, 1200), (False, 400)):
            browser.look(dark=dark, width=width, height=1100)
            assert browser.js(WIDE) <= 0, (name, width)
            assert browser.js(UNNAMED) == [], name
            assert browser.js("document.querySelectorAll('h1').length") == 1, name
            if folder := os.environ.get("BACKENDHUB_TEST_SCREENSHOTS"):
                browser.screenshot(Path(folder) / f"{name}-{'dark' if dark else 'light'}-{width}.png")
        browser.look()

    return at


def fill(browser: Any, **values: str) -> None:
    for name, value in values.items():
        browser.js(f"document.querySelector('[name={name}]').value = {value!r}")


def click(browser: Any, label: str) -> None:
    """Presses a button or follows a link, and waits for the next page."""
    browser.js("window.old = true")
    found = browser.js(
        "(() => { const e = [...document.querySelectorAll('main button, main a, header a')]"
        f".find(e => e.textContent.trim().startsWith({label!r})); if (e) e.click(); return !!e; }})()"
    )
    assert found, label
    browser.wait(lambda: _arrived(browser))


def _arrived(browser: Any) -> bool:
    try:
        there = browser.js("!window.old && document.readyState === 'complete'")
    except AssertionError:  # asked in the moment in which the page went
        return False
    return bool(there and text(browser))


def _says(browser: Any, words: str) -> bool:
    try:
        return words in text(browser)
    except AssertionError:  # one page leads to the next by itself
        return False


def clerk(command: list[str]) -> None:
    """Makes somebody who works here."""
    subprocess.run(
        [*command, "user", "add", "clerk@mail.example", "--admin", "--stdin"],
        input=PASSWORD + "\n",
        capture_output=True,
        text=True,
        check=True,
    )


def text(browser: Any) -> str:
    return str(browser.js("(document.querySelector('main') || document.body || {}).innerText || ''"))


@pytest.mark.browser
def test_a_purchase_and_its_way_through_the_back_office(
    serve: Callable[..., Any], browser: Any, look: Callable[[str], None], command: list[str]
) -> None:
    server = serve("shop", "--demo")
    browser.open(server.url + "/shop")
    assert browser.js("document.querySelectorAll('.card').length") == 10
    look("home")
    fill(browser, q="stoneware mug")
    browser.js("document.querySelector('.search').requestSubmit()")
    browser.wait(lambda: "Harbour mug" in text(browser) and "“stoneware mug”" in text(browser))
    click(browser, "Harbour mug")
    assert browser.js("document.querySelector('[data-cost]').innerText") == "$24.00"
    browser.js(
        "(() => { const s = document.querySelector('[data-variants]'); s.selectedIndex = 2;"
        " s.dispatchEvent(new Event('change')); })()"
    )
    assert browser.js("document.querySelector('[data-cost]').innerText") == "$26.00"
    assert "Only 5 left." in text(browser)
    look("product")
    fill(browser, quantity="9")
    click(browser, "Add to cart")
    assert "Insufficient stock: Ink: 9 wanted, 5 left." in text(browser)
    browser.js("history.back()")
    browser.wait(lambda: browser.js("!!document.querySelector('[data-variants]')"))
    fill(browser, quantity="2")
    click(browser, "Add to cart")
    fill(browser, code="NOSUCH")
    click(browser, "Apply")
    assert "The promotion code NOSUCH is invalid" in text(browser)
    fill(browser, code="WELCOME10")
    click(browser, "Apply")
    assert "−$5.20" in text(browser)
    look("cart")
    click(browser, "Checkout")
    fill(browser, email="ada@mail.example", first_name="Ada", last_name="Lovelace", address_1="1 Engine Way")
    fill(browser, city="Seattle", province="WA", postal_code="98101")
    click(browser, "Use this address")
    assert "Sales tax 6.5%" in text(browser)
    look("checkout")
    click(browser, "Place the order")
    assert "Thank you." in text(browser) and "payment authorized" in text(browser)
    look("order")
    click(browser, "Cart")
    assert "nothing in it yet" in text(browser)

    clerk(command)
    browser.open(server.url + "/shop/admin")
    assert "Sign in" in text(browser)
    browser.open(server.url + "/shop/sign-in")
    look("sign-in")
    fill(browser, email="clerk@mail.example", password=PASSWORD)
    click(browser, "Sign in")
    assert "invariants hold" in text(browser)
    look("admin")
    click(browser, "Order 4")
    click(browser, "Capture")
    click(browser, "Pack what is left")
    fill(browser, tracking="1Z77")
    look("admin-order")
    click(browser, "Ship")
    click(browser, "Delivered")
    assert "delivered" in text(browser) and "captured" in text(browser)
    click(browser, "Products")
    look("admin-products")
    browser.js("document.querySelector('[aria-label^=\"Stock of HARBOUR-MUG-INK\"]').value = 0")
    browser.js("document.querySelector('[aria-label^=\"Stock of HARBOUR-MUG-INK\"]').form.requestSubmit()")
    browser.wait(lambda: browser.js("document.readyState") == "complete" and "Products" in text(browser))
    assert browser.troubles() == [
        t
        for t in browser.troubles()
        if "409" in t or "401" in t  # what was refused above
    ]


@pytest.mark.browser
def test_a_purchase_on_the_payment_systems_own_page(
    serve: Callable[..., Any],
    browser: Any,
    command: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One server is shop and payment provider: the buyer goes back once, has a card refused, and then pays."""
    with socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    monkeypatch.setenv("BACKENDHUB_SHOP_STRIPE_URL", f"http://127.0.0.1:{port}/payment")
    monkeypatch.setenv("BACKENDHUB_SHOP_STRIPE_KEY", "sk_test_shop")
    server = serve("shop", "payment", "--demo", port=port)
    shot = os.environ.get("BACKENDHUB_TEST_SCREENSHOTS")

    def look(name: str) -> None:
        if shot:
            browser.screenshot(Path(shot) / f"{name}.png")

    browser.look(width=1000, height=1000)
    browser.open(f"{server.url}/shop/shop/products/oak-board")
    click(browser, "Add to cart")
    click(browser, "Checkout")
    fill(browser, email="ada@mail.example", first_name="Ada", last_name="Lovelace", address_1="1 Engine Way")
    fill(browser, city="Portland", province="OR", postal_code="97201")
    click(browser, "Use this address")
    click(browser, "Place the order")
    look("pay-1-on-the-way")
    click(browser, "Continue to payment")
    assert "1 × Oak board" in text(browser) and "Pay $75.00" in text(browser)
    look("pay-2-checkout")
    click(browser, "Back to the shop")
    assert browser.js("location.pathname") == "/shop/shop/checkout"
    click(browser, "Place the order")
    click(browser, "Continue to payment")
    for number, answer in (
        ("4000000000000002", "Your card was declined."),
        ("4242424242424242", "Thank you."),
    ):
        fill(browser, number=number, expiry="12 / 34", cvc="123")
        browser.js("(e => { if (e) e.value = 'Ada' })(document.querySelector('[name=name]'))")
        click(browser, "Pay")
        browser.wait(lambda: _says(browser, answer))  # noqa: B023
        look("pay-3-declined" if "declined" in answer else "pay-4-order")
    browser.wait(lambda: _says(browser, "payment authorized"))
    order = browser.js("location.pathname").rpartition("/")[2]
    clerk(command)
    login = {"email": "clerk@mail.example", "password": PASSWORD}
    staff = {"authorization": f"Bearer {server.http.post('/shop/api/login', json=login).json()['token']}"}
    found = server.http.get(f"/shop/admin/orders/{order}", headers=staff).json()["order"]
    payment = found["payment_collections"][0]["payments"][0]
    captured = server.http.post(f"/shop/admin/payments/{payment['id']}/capture", json={}, headers=staff)
    assert captured.json()["payment"]["captured_amount"] == 75
    intent = f"/payment/v1/payment_intents/{payment['data']['id']}"
    key = {"authorization": "Bearer sk_test_shop"}
    browser.wait(lambda: server.http.get(intent, headers=key).json()["status"] == "succeeded")
    for system in ("shop", "payment"):
        assert server.http.get(f"/{system}/_check").json()["ok"] is True
    refused = ("402", "404")  # the card, and a favicon that the provider's page has not
    assert [t for t in browser.troubles() if not any(code in t for code in refused)] == []


def test_pages_keep_to_themselves(serve: Callable[..., Any]) -> None:
    server = serve("shop", "--demo")
    page = server.http.get("/shop")
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy
    assert "<style" not in page.text and "style=" not in page.text and "https://" not in page.text
    assert server.http.get("/shop/products/nothing").status_code == 404
    assert server.http.get("/shop/static/../page.py").status_code == 404
    assert server.http.get("/shop/admin").status_code == 401
    form = {"variant_id": "x", "quantity": "1"}
    foreign = server.http.post("/shop/cart/lines", data=form, headers={"origin": "https://evil.example"})
    assert foreign.status_code == 403
    assert server.http.post("/shop/cart/lines", data=form).status_code == 404


def test_a_price_that_changes_in_the_cart_is_said(serve: Callable[..., Any], command: list[str]) -> None:
    server = serve("shop", "--demo")
    clerk(command)
    found = server.http.get("/api/products/oak-board?country=us").json()["variants"][0]
    line = {"variant_id": found["id"], "quantity": "1"}
    cart = server.http.post("/shop/cart/lines", data=line).headers["set-cookie"].partition(";")[0]
    login = {"email": "clerk@mail.example", "password": PASSWORD}
    token = server.http.post("/api/login", json=login).json()["token"]
    new = {"price": "71.00", "currency": "USD"}
    header = {"authorization": f"Bearer {token}"}
    assert server.http.put(f"/api/variants/{found['id']}/price", json=new, headers=header).status_code == 200
    page = server.http.get("/shop/cart", headers={"cookie": cart}).text
    assert "has changed from $69 to $71" in page and "$69.00" in page
