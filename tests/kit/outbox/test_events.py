"""Publishing, handing on, endpoints, signatures and the inbox, on both engines."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
import stripe
from standardwebhooks.webhooks import Webhook

from backendhub.kit import clock, jobs, outbox
from backendhub.kit.db import Db
from backendhub.kit.errors import Invalid, NotFound, Unauthenticated
from backendhub.kit.jobs import declared
from backendhub.kit.outbox import endpoints, signing
from backendhub.kit.outbox.relay import Relay

SYSTEM = "outbox"
Move = Callable[[str], None]


@pytest.fixture(autouse=True)
def _own_kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(declared, "_kinds", {})


def handlers(db: Db, **topics: tuple[str, ...]) -> None:
    """Declares a handler `t.<name>` for topics."""
    for name, on in topics.items():
        jobs.job(f"t.{name}", on=on)(lambda db, event: None)
    declared.adopt(db, "t", "1", declared._kinds.values())


def test_an_event_waits_until_it_is_handed_on(db: Db) -> None:
    handlers(db, paid=("order.paid",), orders=("order.*",), all=("*",), other=("ordering.*", "user.joined"))
    place = endpoints.add(db, url="https://example.org/hook", topics=["order.*"])
    uid = outbox.publish(db, "order.paid", {"total": 9, "é": None}, key="o1")
    assert "outbox" in db.signals
    relay = Relay()
    assert relay.waiting(db)
    relay.pump(db)
    assert not relay.waiting(db)
    relay.pump(db)
    event = outbox.get(db, uid)
    made = {job.name: job for job in jobs.find(db)}
    assert set(made) == {"t.paid", "t.orders", "t.all", "outbox.deliver"}
    told = made["t.paid"]
    assert told.payload == {
        "event": {
            "id": uid,
            "topic": "order.paid",
            "key": "o1",
            "at": clock.iso(event.at),
            "data": {"total": 9, "é": None},
        }
    }
    assert told.serial == "t.paid:o1"
    posted = made["outbox.deliver"]
    assert posted.payload == {"endpoint": place.id, "event": event.id}
    assert (posted.queue, posted.serial) == (f"webhook.{place.id[-1]}", f"{place.id}:o1")


def test_what_nobody_wants_is_handed_on_to_nobody(db: Db) -> None:
    outbox.publish(db, "order.paid", None)
    Relay().pump(db)
    assert not Relay().waiting(db)
    assert jobs.find(db) == []


def test_patterns_of_topics() -> None:
    assert outbox.matches(["order.paid"], "order.paid")
    assert outbox.matches(["user.*", "order.*"], "order.item.added")
    assert outbox.matches(["*"], "x.y")
    for pattern in ("order.pai", "order.paid.x", "orders.*", "rder.*"):
        assert not outbox.matches([pattern], "order.paid"), pattern


def test_what_is_no_event_is_refused(db: Db) -> None:
    for topic in ("paid", "Order.paid", "order.*", "order paid", ""):
        with pytest.raises(Invalid, match="no topic"):
            outbox.publish(db, topic, {})
    with pytest.raises(Invalid, match="must be JSON"):
        outbox.publish(db, "order.paid", {"at": datetime.now(UTC)})


def test_events_are_found_by_number_id_and_topic(db: Db) -> None:
    uids = [outbox.publish(db, f"t.e{n % 2}", n) for n in range(4)]
    newest = outbox.find(db, limit=2)
    assert [e.uid for e in newest] == [uids[3], uids[2]]
    assert [e.value for e in outbox.find(db, before=newest[-1].id)] == [1, 0]
    assert [e.value for e in outbox.find(db, topic="t.e1")] == [3, 1]
    assert outbox.get(db, newest[0].id) == outbox.get(db, uids[3])
    for id in (999, "nothing"):
        with pytest.raises(NotFound, match="no event"):
            outbox.get(db, id)


def test_a_message_that_comes_twice_is_taken_once(db: Db) -> None:
    assert outbox.once(db, "stripe", "evt_1")
    assert not outbox.once(db, "stripe", "evt_1")
    assert outbox.once(db, "stripe", "evt_2")
    assert outbox.once(db, "github", "evt_1")


def test_old_events_are_forgotten_when_they_have_been_handed_on(db: Db, frozen: Move) -> None:
    outbox.publish(db, "t.old", 1)
    Relay().pump(db)
    outbox.publish(db, "t.stuck", 2)
    outbox.once(db, "c", "m")
    frozen("2026-02-04T09:00:00Z")
    Relay().tidy(db)
    assert len(outbox.find(db)) == 2
    frozen("2026-02-04T09:00:00.001Z")
    Relay().tidy(db)
    assert [e.topic for e in outbox.find(db)] == ["t.stuck"]
    assert outbox.once(db, "c", "m")


# -- endpoints -----------------------------------------------------------------------------------------------


def test_an_endpoint_from_its_beginning_to_its_end(db: Db, frozen: Move) -> None:
    made = endpoints.add(db, url="https://example.org/hook", topics=["order.*", "user.joined"], note="ERP")
    assert endpoints.find(db) == [made]
    assert made.enabled and made.topics == ["order.*", "user.joined"]
    off = endpoints.disable(db, made.id, "not now")
    assert (off.enabled, off.reason, off.disabled_at) == (False, "not now", clock.now())
    outbox.publish(db, "order.paid", 1)
    Relay().pump(db)
    assert jobs.find(db) == []
    on = endpoints.enable(db, made.id)
    assert (on.enabled, on.reason, on.disabled_at) == (True, None, None)
    rotated = endpoints.rotate(db, made.id)
    assert rotated.old_secret == made.secret != rotated.secret
    assert rotated.old_until == clock.now() + timedelta(days=1)
    endpoints.remove(db, made.id)
    for act in (endpoints.get, endpoints.remove, endpoints.enable, endpoints.rotate, endpoints.deliveries):
        with pytest.raises(NotFound, match="no webhook"):
            act(db, made.id)


def test_what_is_no_endpoint_is_refused(db: Db) -> None:
    for topics in (["*.paid"], ["order."], ["Order.*"], [""]):
        with pytest.raises(Invalid, match="names no topics"):
            endpoints.add(db, url="https://example.org", topics=topics)
    for secret in ("short", "whsec_dG9vIHNob3J0", "whsec_" + b64encode(bytes(65)).decode(), "whsec_?" * 9):
        with pytest.raises(Invalid, match="24 to 64 bytes"):
            endpoints.add(db, url="https://example.org", secret=secret)
    with pytest.raises(Invalid, match="no way to sign"):
        endpoints.add(db, url="https://example.org", signer="pigeon")


def test_what_an_endpoint_has_missed_is_sent_again(db: Db, frozen: Move) -> None:
    place = endpoints.add(db, url="https://example.org", topics=["t.*"])
    endpoints.disable(db, place.id, "moving house")
    outbox.publish(db, "t.before", 0)
    frozen("2026-01-05T10:00:00Z")
    uids = [outbox.publish(db, topic, 1) for topic in ("t.a", "x.b", "t.c", "t.d")]
    Relay().pump(db)
    got = outbox.get(db, uids[2])
    from backendhub.kit.outbox.store import INSERT_DELIVERY

    about = {"endpoint": place.id, "event": got.id, "job": 1, "attempt": 1, "at": clock.now(), "ms": 3}
    db.run(INSERT_DELIVERY, **about, ok=True, status=200, error=None, answer=None)
    endpoints.enable(db, place.id)
    since = clock.parse("2026-01-05T10:00:00Z")
    assert endpoints.replay_missed(db, place.id, since) == 2
    assert endpoints.replay_missed(db, place.id, since) == 2  # still under way: nothing is doubled
    waiting = sorted(job.payload["event"] for job in jobs.find(db, name="outbox.deliver"))
    assert waiting == [outbox.get(db, uids[0]).id, outbox.get(db, uids[3]).id]
    id = endpoints.replay(db, place.id, got)  # one by name is sent whatever the log says
    assert jobs.get(db, id).payload["event"] == got.id


def test_an_endpoint_can_be_changed(db: Db) -> None:
    id = endpoints.add(db, url="https://a.example/", topics=["order.*"]).id
    changed = endpoints.edit(db, id, url="https://b.example/", topics=["order.paid", "user.*"])
    assert (changed.url, changed.topics) == ("https://b.example/", ["order.paid", "user.*"])
    assert endpoints.get(db, id) == changed
    with pytest.raises(Invalid):
        endpoints.edit(db, id, url="https://b.example/", topics=["no topic"])
    with pytest.raises(NotFound):
        endpoints.edit(db, "nobody", url="https://b.example/", topics=["*"])


# -- signatures ----------------------------------------------------------------------------------------------


def signed(secrets: list[str], body: bytes, at: datetime) -> dict[str, str]:
    return signing.Standard().headers(secrets, "msg_1", at, body)


def test_the_reference_implementation_accepts_what_we_sign(db: Db) -> None:
    event = outbox.get(db, outbox.publish(db, "user.créé".replace("é", "e"), {"name": "Zoë", "n": 1.5}))
    body = signing.Standard().body(event)
    new, old = signing.Standard().secret(), signing.Standard().secret()
    headers = signed([new, old], body, datetime.now(UTC))
    for secret in (new, old):  # while a secret is changed, either does
        assert Webhook(secret).verify(body, headers) == {
            "type": "user.cree",
            "timestamp": clock.iso(event.at),
            "data": {"name": "Zoë", "n": 1.5},
        }
    with pytest.raises(Exception, match="No matching signature"):
        Webhook(signing.Standard().secret()).verify(body, headers)


def test_we_accept_what_the_reference_implementation_signs() -> None:
    secret, body, now = signing.Standard().secret(), '{"a":"é"}', datetime.now(UTC)
    headers = {
        "webhook-id": "msg_9",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": "v1a,x v1,AAAA " + Webhook(secret).sign("msg_9", now, body),
    }
    assert signing.verify(secret, headers, body.encode()) == "msg_9"


def test_the_example_of_the_specification() -> None:
    """The test vector of the reference libraries."""
    at = datetime.fromtimestamp(1614265330, UTC)
    headers = signing.Standard().headers(
        ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        at,
        b'{"test": 2432232314}',
    )
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_forged_late_and_unsigned_messages_are_refused(frozen: Move) -> None:
    secret, body, now = signing.Standard().secret(), b"{}", clock.now()
    good = signed([secret], body, now)
    assert signing.verify(secret, good, body) == "msg_1"
    wrong = {
        "body": (good, b"{ }"),
        "id": (good | {"webhook-id": "msg_2"}, body),
        "time": (good | {"webhook-timestamp": str(int(now.timestamp()) + 1)}, body),
        "version": (good | {"webhook-signature": good["webhook-signature"].replace("v1,", "v2,")}, body),
        "secret": (signed([signing.Standard().secret()], body, now), body),
        "none": (good | {"webhook-signature": ""}, body),
        "no id": (good | {"webhook-id": ""}, body),
        "no time": (good | {"webhook-timestamp": "now"}, body),
        "digits": (good | {"webhook-timestamp": "١٢٣"}, body),
        "late": (signed([secret], body, now - timedelta(seconds=301)), body),
        "early": (signed([secret], body, now + timedelta(seconds=301)), body),
    }
    for name, (headers, content) in wrong.items():
        with pytest.raises(Unauthenticated):
            pytest.fail(f"{name}: {signing.verify(secret, headers, content)}")


def test_the_body_is_what_the_standard_says(db: Db, frozen: Move) -> None:
    event = outbox.get(db, outbox.publish(db, "user.joined", [1]))
    assert json.loads(signing.Standard().body(event)) == {
        "type": "user.joined",
        "timestamp": "2026-01-05T09:00:00Z",
        "data": [1],
    }


# -- Stripe's way --------------------------------------------------------------------------------------------


def stripe_signed(secrets: list[str], body: bytes, at: datetime) -> str:
    return signing.Stripe().headers(secrets, "evt_1", at, body)["stripe-signature"]


def test_stripes_own_client_accepts_what_we_sign(db: Db) -> None:
    told = {"id": "evt_1", "object": "event", "type": "charge.succeeded", "data": {"object": {"name": "Zoë"}}}
    event = outbox.get(db, outbox.publish(db, "payment.charge.succeeded", told, uid="evt_1"))
    assert event.uid == "evt_1"
    body = signing.Stripe().body(event)
    new, old = signing.Stripe().secret(), signing.Stripe().secret()
    header = stripe_signed([new, old], body, datetime.now(UTC))
    for secret in (new, old):
        found = stripe.Webhook.construct_event(body, header, secret)  # type: ignore[no-untyped-call]
        assert found.type == "charge.succeeded" and found.data.object["name"] == "Zoë"
    with pytest.raises(stripe.SignatureVerificationError, match="No signatures found"):
        stripe.Webhook.construct_event(body, header, signing.Stripe().secret())  # type: ignore[no-untyped-call]
    late = stripe_signed([new], body, datetime.now(UTC) - timedelta(seconds=301))
    with pytest.raises(stripe.SignatureVerificationError, match="Timestamp outside the tolerance zone"):
        stripe.Webhook.construct_event(body, late, new)  # type: ignore[no-untyped-call]


def test_what_stripe_signs_is_accepted_and_forgeries_are_not(frozen: Move) -> None:
    secret, body, now = "whsec_test", b'{"id": "evt_1"}', clock.now()
    stamp = int(now.timestamp())
    mac = stripe.WebhookSignature._compute_signature(f"{stamp}.{body.decode()}", secret)
    good = f"t={stamp},v1={mac},v0=6ffbb59b2300aae63f272406069a9788598b792a944a07aba816edb039989a39"
    signing.verify_stripe(secret, good, body)
    signing.verify_stripe(secret, stripe_signed(["whsec_other", secret], body, now), body)
    for name, (header, content) in {
        "body": (good, b"{}"),
        "time": (good.replace(f"t={stamp}", f"t={stamp + 1}"), body),
        "version": (good.replace("v1=", "v2="), body),
        "none": ("", body),
        "no time": (f"v1={mac}", body),
        "late": (stripe_signed([secret], body, now - timedelta(seconds=301)), body),
        "early": (stripe_signed([secret], body, now + timedelta(seconds=301)), body),
    }.items():
        with pytest.raises(Unauthenticated):
            signing.verify_stripe(secret, header, content)
            pytest.fail(name)
