"""SunSim: callbacks, call lists with recordings, and the settings of the virtual PBX."""

from airflow_provider_telecom.vendors.description import VENDOR_TIMEZONE, FormField, Vendor, choice

VENDOR = Vendor(
    id="sunsim",
    label="SunSim",
    site="https://webapi.sunsim.ru:4432/docs",
    host="https://webapi.sunsim.ru:4432",
    hook="SunSimHook",
    password="Authorization token",  # noqa: S106 - a label
    region="RU",
    fields={
        "api_path": FormField("API path", "Default /api/v1."),
        "token_strategy": choice(
            "Token strategy", "How a dead access token is replaced.", ["create", "refresh"], "create"
        ),
        "lock": FormField("Lock", "What keeps workers from creating tokens at once. Default: variable."),
        "vendor_timezone": VENDOR_TIMEZONE,
    },
    has=("operators", "transfers"),
)
