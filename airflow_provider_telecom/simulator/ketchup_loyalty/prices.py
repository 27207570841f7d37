"""KetchUp's prices: one a country, in any tariff, in EUR; an SMS costs it for each segment."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

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


def country_of(msisdn: object) -> Country | None:
    """Return the country of a number (digits, with its country code, no plus), or None if there is none."""
    if not isinstance(msisdn, str) or not _MSISDN.fullmatch(msisdn):
        return None
    return _BY_PREFIX.get(msisdn[:3]) or _BY_PREFIX.get(msisdn[:2]) or _BY_PREFIX.get(msisdn[:1])


def price_list(module: Module) -> list[dict[str, str]]:
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
