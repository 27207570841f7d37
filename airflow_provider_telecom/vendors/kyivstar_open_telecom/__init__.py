"""Kyivstar Open Telecom: checks of subscribers, SMS, Viber, and SMS promos."""

from airflow_provider_telecom.vendors.description import FormField, Vendor, choice

VENDOR = Vendor(
    id="kyivstar_open_telecom",
    label="Kyivstar Open Telecom",
    site="https://api-market.kyivstar.ua",
    host="https://api-gateway.kyivstar.ua",
    hook="KyivstarOpenTelecomHook",
    login="Client ID",
    password="Client Secret",  # noqa: S106 - a label
    color="#fff1b8",
    fields={
        "environment": choice(
            "Environment",
            "The vendor's server. An application in its personal account is for one of them.",
            {
                "live": "messages are sent and cost money",
                "mock": "made-up answers; has a Client ID and Secret of its own, costs nothing",
                "sandbox": "a limited number of calls",
            },
            "live",
        ),
        "api_version": choice(
            "API version",
            "The Test button says which versions answer.",
            {
                "v1beta": "what the vendor's document describes",
                "v1": "newer, known from public clients; multichannel messages, batches of SMS, RCS",
            },
            "v1beta",
            rare=True,
        ),
        "rest_path": FormField(
            "REST path",
            "For a gateway with other paths: the path before each call except the token's, such as "
            "/rest/v1beta. It replaces the path that environment and API version make.",
            rare=True,
        ),
        "sender": FormField("Sender", "Alpha name that messages come from unless a task names another."),
        "viber_sender": FormField(
            "Viber sender", "Alpha name that Viber messages come from, if it is not the sender's."
        ),
    },
    has=("operators", "sensors"),
    notifiers=("KyivstarSmsNotifier", "KyivstarViberNotifier"),
    links=("KyivstarConsoleLink",),
    former_id="kyivstar",
    campaign_tasks={
        "KyivstarSendBulkSmsOperator": "sms",
        "KyivstarSendBulkMultichannelOperator": "multichannel",
        "KyivstarCreatePromoOperator": "promo",
        "KyivstarCollectReceiptsOperator": "receipts",
    },
)
