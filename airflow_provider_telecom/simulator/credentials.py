"""The accounts of the simulated vendors: the only credentials that it accepts, so a real one is refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

KYIVSTAR_CLIENT_ID = "sim_client"
KYIVSTAR_CLIENT_SECRET = "sim_client_secret"
KYIVSTAR_MOCK_CLIENT_ID = "sim_mock_client"
KYIVSTAR_MOCK_CLIENT_SECRET = "sim_mock_client_secret"
KETCHUP_API_KEY = "sim_ketchup_api_key"
FMC_TOKEN = "sim_" + "0" * 60  # 64 characters, as the vendor's
SUNSIM_AUTHORIZATION_TOKEN = "sim_sunsim_authorization_token"
NOVACONNECT_TOKEN = "sim_novaconnect_admin_token"
NOVACONNECT_USER_TOKEN = "sim_novaconnect_user_token"


@dataclass(frozen=True)
class Account:
    """How to connect to a simulated vendor."""

    label: str
    password: str
    login: str | None = None
    extra: Mapping[str, str] = field(default_factory=dict)
    former_path: str | None = None
    """The path prefix in connections that were made for an earlier version. It still works."""
    package: str | None = None
    """The module with the vendor's `routes`; by default the one with its id in this package."""


ACCOUNTS: dict[str, Account] = {
    "kyivstar_open_telecom": Account(
        "Kyivstar Open Telecom",
        KYIVSTAR_CLIENT_SECRET,
        KYIVSTAR_CLIENT_ID,
        {"sender": "messagedesk"},
        former_path="kyivstar",
    ),
    "ketchup_loyalty": Account(
        "KetchUp Loyalty",
        KETCHUP_API_KEY,
        extra={"originator": "test", "viber_sender": "test"},
        former_path="ketchup",
    ),
    "kyivstar_fmc": Account("Kyivstar FMC", FMC_TOKEN, former_path="fmc"),
    "sunsim": Account("SunSim", SUNSIM_AUTHORIZATION_TOKEN),
    "novaconnect": Account("NovaConnect", NOVACONNECT_TOKEN),
}
"""By connection type, which is also the path prefix of the vendor's routes and the name of its package."""
