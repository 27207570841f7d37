"""KetchUp Loyalty: SMS, Viber, HLR look-ups, prices, statistics exports."""

from airflow_provider_telecom.vendors.description import VENDOR_TIMEZONE, FormField, Vendor, Webhook, choice

_WEBHOOKS = "airflow_provider_telecom.vendors.ketchup_loyalty.webhooks"

VENDOR = Vendor(
    id="ketchup_loyalty",
    label="KetchUp Loyalty",
    site="https://api.smsketchuployalty.com.ua",
    host="https://api.smsketchuployalty.com.ua",
    hook="KetchUpHook",
    password="API key (X-API-KEY)",  # noqa: S106 - a label
    color="#ffe3df",
    fields={
        "originator": FormField("Originator", "SMS sender, at most 14 characters.", schema={"maxLength": 14}),
        "viber_sender": FormField("Viber sender", "Alpha name of Viber messages."),
        "tariff": FormField("Tariff", "Tariff number, 0 to 9.", "integer", {"minimum": 0, "maximum": 9}),
        "base_path": FormField(
            "Base path", "What stands before /sms, /hlr, /viber and /stat. Default /rest.", rare=True
        ),
        "viber_key": choice(
            "Viber key",
            "The field that carries our key for a Viber message.",
            {
                "external_id": "as the document says",
                "reference": "if the vendor ignores external_id",
                "both": "the key in both fields",
            },
            "external_id",
            rare=True,
        ),
        "hlr_body": choice(
            "HLR body",
            "How HLR look-ups are posted at first.",
            {"multipart": "as the document says", "json": "if the vendor refuses multipart"},
            "multipart",
            rare=True,
        ),
        "vendor_timezone": VENDOR_TIMEZONE,
    },
    has=("operators", "sensors", "transfers"),
    notifiers=("KetchUpSmsNotifier", "KetchUpViberNotifier"),
    webhooks=(
        Webhook(kind="hlr", reader=f"{_WEBHOOKS}.hlr", events=("hlr",), is_for_account=True),
        Webhook(kind="viber", reader=f"{_WEBHOOKS}.viber", events=("viber",)),
        Webhook(
            kind="statistics",
            reader=f"{_WEBHOOKS}.statistics",
            events=("statistics",),
            is_for_account=True,
            list_name="message_data",
            max_bytes=16 << 20,
            max_commas=300_000,
        ),
    ),
    prices="bulk_preview.price_by",
    former_id="ketchup",
    campaign_tasks={
        "KetchUpSendBulkSmsOperator": "sms",
        "KetchUpSendViberOperator": "viber",
        "KetchUpCollectReceiptsOperator": "receipts",
    },
)
