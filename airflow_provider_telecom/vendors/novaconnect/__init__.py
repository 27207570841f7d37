"""NovaConnect: a fleet of SIMs, its bills, reports and people."""

from airflow_provider_telecom.vendors.description import FormField, Notice, Vendor, Webhook, choice

_VENDOR = "airflow_provider_telecom.vendors.novaconnect"
_MEBIBYTE = 1 << 20

VENDOR = Vendor(
    id="novaconnect",
    label="NovaConnect",
    site="https://kb.novaconnect.kz",
    host="https://api.novaconnect.kz",
    hook="NovaConnectHook",
    password="Token",  # noqa: S106 - a label
    region="KZ",
    color="#daf3e4",
    fields={
        "lang": choice("Language", "Of the vendor's messages.", {"ru": "Russian", "en": "English"}),
        "api_path": FormField("API path", "Default /api.", rare=True),
        "allow_http_webhooks": FormField(
            "Allow http webhooks",
            "A callback_url of your own may be plain http. Default false: https only.",
            "boolean",
            {"default": False},
            rare=True,
        ),
    },
    has=("operators", "sensors", "transfers"),
    notifiers=("NovaConnectSmsNotifier",),
    webhooks=(
        Webhook(
            kind="notice",
            reader=f"{_VENDOR}.webhooks.notice",
            events=(
                "msu_lock",
                "package_empty",
                "generate_bill",
                "unpaid_bill_3",
                "unpaid_bill_5",
                "unpaid_bill_6",
            ),
            is_for_account=True,
            max_bytes=16 * _MEBIBYTE,  # with files
            max_commas=300_000,
        ),
        Webhook(
            kind="queue",
            reader=f"{_VENDOR}.webhooks.queue",
            events=("queue",),
            max_bytes=8 * _MEBIBYTE,  # with 10,000 SIMs
            max_commas=300_000,
        ),
    ),
    progress=f"{_VENDOR}.webhooks.progress",
    notices={
        "package_empty": Notice(f"{_VENDOR}.status.blocked_sims", "sim_ids"),
        "msu_lock": Notice(f"{_VENDOR}.status.blocked_sims", "sim_ids"),
        "generate_bill": Notice(f"{_VENDOR}.status.bills", "bill_ids"),
    },
)
