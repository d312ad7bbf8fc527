"""The test cards of Stripe's public documentation: what they look like, and what happens when they are charged.

Numbers are never kept. What a card does is found by its fingerprint, which is made of the number.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

from backendhub.kit import clock
from backendhub.systems.payment.errors import CardError
from backendhub.systems.payment.models import Json


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What a card does beside being charged.

    `declined` refuses the charge (a code, or a decline code of `card_declined`); `at_setup` refuses already when the card is
    saved. `authenticate` is when 3-D Secure is asked for: `always`, `setup` (until it was set up), `never` (it was set up),
    `optional`. `checks` are results of address and CVC checks.
    """

    declined: str = ""
    at_setup: bool = True
    authenticate: str = ""
    risk: str = "normal"
    dispute: str = ""
    refund: str = ""
    settles: str = "pending"
    checks: tuple[tuple[str, str], ...] = ()


PLAIN = Behaviour()
BRANDS = (
    ("amex", ("34", "37"), (15,)),
    ("diners", ("300", "301", "302", "303", "304", "305", "36", "38", "39"), (14, 16)),
    ("discover", ("6011", "644", "645", "646", "647", "648", "649", "65"), (16,)),
    ("jcb", ("35",), (16,)),
    ("unionpay", ("62", "81"), (16, 17, 18, 19)),
    ("mastercard", ("51", "52", "53", "54", "55", *(str(n) for n in range(2221, 2721))), (16,)),
    ("visa", ("4",), (13, 16, 19)),
)

# Number, the words of its tokens (`pm_card_…` and `tok_…`), country, funding.
_LOOKS = """
4242424242424242 visa us US credit
4000056655665556 visa_debit US debit
5555555555554444 mastercard US credit
2223003122003222 mastercard_2series US credit
5200828282828210 mastercard_debit US debit
5105105105105100 mastercard_prepaid US prepaid
378282246310005 amex US credit
371449635398431 amex_2 US credit
6011111111111117 discover US credit
6011000990139424 discover_2 US credit
6011981111111113 discover_debit US debit
3056930009020004 diners US credit
36227206271667 diners_14digits US credit
6555900000604105 bccard KR credit
3566002020360505 jcb JP credit
6200000000000005 unionpay CN credit
6200000000000047 unionpay_debit CN debit
6205500000000000004 unionpay_19digits CN credit
4000000320000021 ar AR credit
4000000760000002 br BR credit
4000001240000000 ca CA credit
4000001520000001 cl CL credit
4000001700000003 co CO credit
4000001880000005 cr CR credit
4000002180000000 ec EC credit
4000004840008001 mx MX credit
4000005910000000 pa PA credit
4000006000000066 py PY credit
4000006040000068 pe PE credit
4000008580000003 uy UY credit
4000007840000001 ae AE credit
4000000400000008 at AT credit
4000000560000004 be BE credit
4000001000000000 bg BG credit
4000001120000005 by BY credit
4000001910000009 hr HR credit
4000001960000008 cy CY credit
4000002030000002 cz CZ credit
4000002080000001 dk DK credit
4000002330000009 ee EE credit
4000002460000001 fi FI credit
4000002500000003 fr FR credit
4000002760000016 de DE credit
4000002920000005 gi GI credit
4000003000000030 gr GR credit
4000003480000005 hu HU credit
4000003720000005 ie IE credit
4000003800000008 it IT credit
4000004280000005 lv LV credit
4000004380000004 li LI credit
4000004400000000 lt LT credit
4000004420000006 lu LU credit
4000004700000007 mt MT credit
4000005280000002 nl NL credit
4000005780000007 no NO credit
4000006160000005 pl PL credit
4000006200000007 pt PT credit
4000006420000001 ro RO credit
4000006820000007 sa SA credit
4000007050000006 si SI credit
4000007030000001 sk SK credit
4000007240000007 es ES credit
4000007520000008 se SE credit
4000007560000009 ch CH credit
4000008260000000 gb GB credit
4000058260000005 gb_debit GB debit
5555558265554449 gb_mastercard GB credit
4000000360000006 au AU credit
4000001560000002 cn CN credit
4000003440000004 hk HK credit
4000003560000008 in IN credit
4000003920000003 jp JP credit
4000004580000002 my MY credit
4000005540000008 nz NZ credit
4000007020000003 sg SG credit
4000001580000008 tw TW credit
4000007640000003 th th_credit TH credit
4000057640000008 th_debit TH debit
5200007840000022 ae_mastercard AE credit
3530111333300000 jp_jcb JP credit
4000002500001001 visa_cartesBancaires FR credit
5555552500001001 mastercard_cartesBancaires FR credit
"""
_BEHAVE: tuple[tuple[str, str, Behaviour], ...] = (
    ("4000000000000002", "visa_chargeDeclined chargeDeclined", Behaviour("generic_decline")),
    (
        "4000000000009995",
        "visa_chargeDeclinedInsufficientFunds chargeDeclinedInsufficientFunds",
        Behaviour("insufficient_funds"),
    ),
    ("4000000000009987", "visa_chargeDeclinedLostCard", Behaviour("lost_card")),
    ("4000000000009979", "visa_chargeDeclinedStolenCard", Behaviour("stolen_card")),
    ("4000000000000069", "chargeDeclinedExpiredCard", Behaviour("expired_card")),
    (
        "4000000000000127",
        "chargeDeclinedIncorrectCvc",
        Behaviour("incorrect_cvc", checks=(("cvc_check", "fail"),)),
    ),
    ("4000000000000119", "chargeDeclinedProcessingError", Behaviour("processing_error")),
    ("4000000000006975", "visa_chargeDeclinedVelocityLimitExceeded", Behaviour("card_velocity_exceeded")),
    ("4000000000000341", "chargeCustomerFail", Behaviour("generic_decline", at_setup=False)),
    ("4100000000000019", "radarBlock chargeDeclinedFraudulent", Behaviour("fraudulent", risk="highest")),
    ("4000000000004954", "riskLevelHighest", Behaviour("fraudulent", risk="highest")),
    ("4000000000009235", "riskLevelElevated", Behaviour(risk="elevated")),
    ("4000000000000101", "cvcCheckFail", Behaviour(checks=(("cvc_check", "fail"),))),
    ("4000000000000036", "avsZipFail", Behaviour(checks=(("address_postal_code_check", "fail"),))),
    ("4000000000000028", "avsLine1Fail", Behaviour(checks=(("address_line1_check", "fail"),))),
    (
        "4000000000000010",
        "avsFail",
        Behaviour(checks=(("address_postal_code_check", "fail"), ("address_line1_check", "fail"))),
    ),
    (
        "4000000000000044",
        "avsUnchecked",
        Behaviour(
            checks=(("address_postal_code_check", "unavailable"), ("address_line1_check", "unavailable"))
        ),
    ),
    ("4000000000000259", "createDispute", Behaviour(dispute="fraudulent")),
    ("4000000000002685", "createDisputeProductNotReceived", Behaviour(dispute="product_not_received")),
    ("4000000000001976", "createDisputeInquiry", Behaviour(dispute="inquiry")),
    ("4000000000005423", "createIssuerFraudRecord", Behaviour(dispute="warning")),
    ("4000000404000079", "createMultipleDisputes", Behaviour(dispute="several")),
    ("4000000404000038", "createCe3EligibleDispute", Behaviour(dispute="fraudulent")),
    ("4000008400000779", "createComplianceDispute", Behaviour(dispute="noncompliant")),
    ("5105008400000002", "createMastercardComplianceDispute", Behaviour(dispute="noncompliant")),
    ("4000000001000043", "createAutoRepresentmentEligibleDispute", Behaviour(dispute="fraudulent")),
    ("4000000000007726", "pendingRefund", Behaviour(refund="pending")),
    ("4000000000005126", "refundFail", Behaviour(refund="fails")),
    ("4000000000000077", "bypassPending", Behaviour(settles="available")),
    ("4000003720000278", "bypassPendingInternational", Behaviour(settles="available")),
    ("4000002500003155", "authenticationRequiredOnSetup", Behaviour(authenticate="setup")),
    ("4000002760003184", "authenticationRequired", Behaviour(authenticate="always")),
    ("4000003800000446", "authenticationRequiredSetupForOffSession", Behaviour(authenticate="never")),
    (
        "4000008260003178",
        "authenticationRequiredChargeDeclinedInsufficientFunds",
        Behaviour("insufficient_funds", at_setup=False, authenticate="always"),
    ),
    ("4000000000003220", "threeDSecure2Required", Behaviour(authenticate="always")),
    ("4000000000003063", "threeDSecureRequired", Behaviour(authenticate="always")),
    ("4000000000003238", "", Behaviour(authenticate="always")),
    ("4000000000003246", "", Behaviour(authenticate="always")),
    ("4000000000003253", "", Behaviour(authenticate="always")),
    (
        "4000008400001629",
        "threeDSecureRequiredChargeDeclined",
        Behaviour("generic_decline", at_setup=False, authenticate="always"),
    ),
    (
        "4000008400001280",
        "threeDSecureRequiredProcessingError",
        Behaviour("processing_error", authenticate="fails"),
    ),
    ("4000000000003055", "threeDSecureOptional", Behaviour(authenticate="optional")),
    ("4000000000003097", "threeDSecureOptionalProcessingError", Behaviour(authenticate="optional")),
)
MESSAGES = {
    "generic_decline": "Your card was declined.",
    "insufficient_funds": "Your card has insufficient funds.",
    "lost_card": "Your card was declined.",
    "stolen_card": "Your card was declined.",
    "fraudulent": "Your card was declined.",
    "expired_card": "Your card has expired.",
    "incorrect_cvc": "Your card's security code is incorrect.",
    "processing_error": "An error occurred while processing your card. Try again in a little bit.",
    "card_velocity_exceeded": "Your card was declined for making repeated attempts too frequently or exceeding its amount limit.",
    "authentication_required": "Your card was declined. This transaction requires authentication.",
}
OWN_CODES = ("expired_card", "incorrect_cvc", "processing_error", "authentication_required")
"""Declines whose code is not `card_declined`."""
PARAMS = {"expired_card": "exp_month", "incorrect_cvc": "cvc"}


def fingerprint(number: str) -> str:
    """What a card is recognised by."""
    return sha256(f"card:{number}".encode()).hexdigest()[:16]


NUMBERS: dict[str, str] = {}
"""Numbers by the word of their token."""
BEHAVIOUR: dict[str, Behaviour] = {}
_countries: dict[str, tuple[str, str]] = {}
for _line in _LOOKS.split("\n")[1:-1]:
    _number, *_words, _country, _funding = _line.split()
    _countries[_number] = (_country, _funding)
    NUMBERS.update(dict.fromkeys(_words, _number))
for _number, _tokens, _behaviour in _BEHAVE:
    NUMBERS.update(dict.fromkeys(_tokens.split(), _number))
    BEHAVIOUR[fingerprint(_number)] = _behaviour


def behaviour(print: str | None) -> Behaviour:
    """What the card with this fingerprint does."""
    return BEHAVIOUR.get(print or "", PLAIN)


def declines(card: Json) -> str:
    """Why charges of a card are declined; empty where they are not. A CVC that nobody gave cannot be wrong."""
    code = behaviour(card.get("fingerprint")).declined
    checked = (card.get("checks") or {}).get("cvc_check") or card.get("cvc_check")
    return "" if code == "incorrect_cvc" and checked != "fail" else code


def brand(number: str) -> str:
    """The network of a number."""
    return next((name for name, starts, _ in BRANDS if number.startswith(starts)), "unknown")


def checked(given: Json, path: str = "card") -> Json:
    """A card as payment methods show it. Raises CardError where number or date are wrong."""
    number = str(given.get("number") or "").replace(" ", "").replace("-", "")
    if not number.isascii() or not number.isdigit() or not 12 <= len(number) <= 19 or not _luhn(number):
        raise refused("incorrect_number", "Your card number is incorrect.", f"{path}[number]")
    month, year = given.get("exp_month"), given.get("exp_year")
    if month is None or not 1 <= month <= 12:
        raise refused(
            "invalid_expiry_month", "Your card's expiration month is invalid.", f"{path}[exp_month]"
        )
    if year is not None and year < 100:
        year += 2000
    now = clock.now()
    if year is None or year > now.year + 50 or (year, month) < (now.year, now.month):
        raise refused("invalid_expiry_year", "Your card's expiration year is invalid.", f"{path}[exp_year]")
    cvc = given.get("cvc")
    name = brand(number)
    if cvc is not None and not (cvc.isdigit() and len(cvc) in ((3, 4) if name == "amex" else (3,))):
        raise refused("invalid_cvc", "Your card's security code is invalid.", f"{path}[cvc]")
    return shown(number, month, year, cvc is not None)


def of_token(word: str) -> Json:
    """The card of `pm_card_<word>` or `tok_<word>`. Raises KeyError."""
    return shown(NUMBERS[word], 8, clock.now().year + 1, True)


def shown(number: str, month: int, year: int, cvc: bool) -> Json:
    """A card as the wire shows it."""
    country, funding = _countries.get(number, ("US", "credit"))
    name = brand(number)
    checks: Json = {
        "address_line1_check": None,
        "address_postal_code_check": None,
        "cvc_check": "pass" if cvc else None,
    }
    checks |= {k: v for k, v in behaviour(fingerprint(number)).checks if cvc or k != "cvc_check"}
    return {
        "brand": name,
        "checks": checks,
        "country": country,
        "display_brand": name,
        "exp_month": month,
        "exp_year": year,
        "fingerprint": fingerprint(number),
        "funding": funding,
        "generated_from": None,
        "last4": number[-4:],
        "networks": {"available": [name], "preferred": None},
        "regulated_status": "unregulated",
        "three_d_secure_usage": {"supported": name not in ("diners", "unionpay")},
        "wallet": None,
    }


def refused(code: str, message: str, param: str) -> CardError:
    """A card that is not even tried."""
    return CardError(message, code=code, param=param)


def decline(code: str, **more: object) -> Json:
    """Why a card was declined, as `last_payment_error` and errors tell it."""
    told: Json = {
        "type": "card_error",
        "code": code if code in OWN_CODES else "card_declined",
        "message": MESSAGES[code],
        "decline_code": code,
        "advice_code": "do_not_try_again"
        if code in ("lost_card", "stolen_card", "fraudulent")
        else "try_again_later",
    }
    if code in PARAMS:
        told["param"] = PARAMS[code]
    return told | more


def _luhn(number: str) -> bool:
    digits = [int(d) for d in reversed(number)]
    return sum(digits[::2] + [sum(divmod(2 * d, 10)) for d in digits[1::2]]) % 10 == 0
