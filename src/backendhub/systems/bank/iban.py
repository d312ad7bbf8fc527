"""International bank account numbers (ISO 13616): check digits, and how a British one is made."""

from __future__ import annotations

import re

from .models import BadIdentification

# Lengths by country (SWIFT's registry); a country that is not here is checked by its digits alone.
_LENGTHS = (
    "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DK18 DO28 EE20 "
    "EG29 ES24 FI18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 "
    "KW30 KZ20 LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MR27 MT31 MU30 NL18 NO15 PK24 "
    "PL28 PS29 PT25 QA29 RO24 RS22 SA24 SC31 SE24 SI19 SK24 SM27 ST25 SV28 TL23 TN24 TR26 UA29 VA22 "
    "VG24 XK20"
)
LENGTHS = {code: int(length) for code, length in re.findall(r"([A-Z]{2})([0-9]{2})", _LENGTHS)}


def digits(country: str, bban: str) -> str:
    """The two check digits of an IBAN (ISO 7064, mod 97-10)."""
    return f"{98 - _remainder(bban + country + '00'):02d}"


def checked(text: str) -> str:
    """An IBAN in its electronic form. Raises BadIdentification for a wrong length or wrong check digits."""
    iban = re.sub(r"\s", "", text).upper()
    if not re.fullmatch(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{8,30}", iban):
        raise BadIdentification(f"{text!r} is no IBAN.")
    if len(iban) != LENGTHS.get(iban[:2], len(iban)):
        raise BadIdentification(f"An IBAN of {iban[:2]} has {LENGTHS[iban[:2]]} characters, not {len(iban)}.")
    if _remainder(iban[4:] + iban[:4]) != 1:
        raise BadIdentification(f"{text!r} is no IBAN: its check digits are wrong.")
    return iban


def british(bank: str, sort_code: str, number: str) -> str:
    """The IBAN of a British account."""
    bban = bank + sort_code + number
    return "GB" + digits("GB", bban) + bban


def sort_code_and_number(text: str) -> tuple[str, str]:
    """`20-00-00 12345678` as two parts. Raises BadIdentification."""
    found = re.sub(r"[\s-]", "", text)
    if not re.fullmatch(r"[0-9]{14}", found):
        raise BadIdentification("A sort code and account number are 14 digits.")
    return found[:6], found[6:]


def _remainder(text: str) -> int:
    """A number of digits and letters (A is 10) modulo 97."""
    return int("".join(str(int(c, 36)) for c in text)) % 97
