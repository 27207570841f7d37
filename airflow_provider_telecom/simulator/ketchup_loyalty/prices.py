"""What KetchUp charges: one price a country, whatever the tariff, in EUR; an SMS costs it once a segment."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

Module = Literal["sms", "hlr", "viber"]

CURRENCY = "EUR"


@dataclass(frozen=True)
class Country:
    """A country that KetchUp serves, with one operator and its prices."""

    prefix: str
    iso: str
    name: str
    mcc: str
    mnc: str
    brand: str
    operator: str
    sms: Decimal
    viber: Decimal = Decimal("0.01")
    hlr: Decimal = Decimal("0.002")

    def price(self, module: Module) -> Decimal:
        """Return the price of one SMS segment, HLR look-up or Viber message."""
        return {"sms": self.sms, "hlr": self.hlr, "viber": self.viber}[module]


COUNTRIES = (
    Country("380", "UA", "Ukraine", "255", "03", "Kyivstar", "Kyivstar GSM JSC", Decimal("0.02")),
    Country("971", "AE", "United Arab Emirates", "424", "02", "Etisalat", "Etisalat", Decimal("0.02")),
    Country("93", "AF", "Afghanistan", "412", "01", "AWCC", "Afghan Wireless", Decimal("0.05")),
    Country("48", "PL", "Poland", "260", "01", "Plus", "Polkomtel", Decimal("0.03"), Decimal("0.02")),
    Country("7", "RU", "Russia", "250", "01", "MTS", "Mobile TeleSystems", Decimal("0.04")),
    Country("77", "KZ", "Kazakhstan", "401", "02", "Kcell", "Kcell JSC", Decimal("0.06")),
)

_BY_PREFIX = {country.prefix: country for country in COUNTRIES}
_MSISDN = re.compile(r"[1-9][0-9]{9,14}")
_GSM_7 = re.compile(
    r"[@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,\-./0-9:;<=>?¡A-ZÄÖÑÜ§¿a-zäöñüà^{}\\\[~\]|€\f]*"
)
_GSM_7_TWICE = re.compile(r"[\^{}\\\[~\]|€\f]")


def country_of(msisdn: Any) -> Country | None:
    """Return the country of a number (digits, with its country code, no plus), or None if there is none."""
    if not isinstance(msisdn, str) or not _MSISDN.fullmatch(msisdn):
        return None
    return _BY_PREFIX.get(msisdn[:3]) or _BY_PREFIX.get(msisdn[:2]) or _BY_PREFIX.get(msisdn[:1])


def segments(text: str) -> int:
    """Return how many SMS a text fills: 160 or 153 characters each in GSM-7, 70 or 67 in UCS-2."""
    if _GSM_7.fullmatch(text):
        length, alone, chained = len(text) + len(_GSM_7_TWICE.findall(text)), 160, 153
    else:
        length, alone, chained = len(text.encode("utf-16-be", "surrogatepass")) // 2, 70, 67
    return 1 if length <= alone else -(-length // chained)


def table(module: Module) -> list[dict[str, str]]:
    """Return the price list of a module, as KetchUp shows it."""
    return [
        {
            "type": module,
            "country": country.iso,
            "country_name": country.name,
            "mcc": country.mcc,
            "price": str(country.price(module)),
            "currency": CURRENCY,
        }
        for country in COUNTRIES
    ]
