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
    port=4432,
    other_hosts={"test stand": "https://test-webapi.sunsim.ru:4432"},
    color="#ffe8cc",
    fields={
        "lock": choice(
            "Lock",
            "What prevents workers from creating access tokens at the same time.",
            {
                "variable": "an Airflow Variable; for workers on several hosts",
                "host": "a file on each host; only if all workers run on one host",
            },
            "variable",
            rare=True,
        ),
        "token_strategy": choice(
            "Token strategy",
            "How an access token that is no longer valid is replaced. Default create.",
            {
                "create": "a new token is created",
                "refresh": "the token is refreshed; if that fails, a new one is created",
            },
            # No default: Airflow takes the name for that of a secret, and would show and store ***.
            rare=True,
        ),
        "api_path": FormField("API path", "Default /api/v1.", rare=True),
        "vendor_timezone": VENDOR_TIMEZONE,
    },
    has=("operators", "sensors", "transfers"),
    notifiers=("SunSimCallbackNotifier",),
    campaign_tasks={
        "SunSimBulkCallbackOperator": "call",
        "SunSimCollectReceiptsOperator": "receipts",
    },
)
