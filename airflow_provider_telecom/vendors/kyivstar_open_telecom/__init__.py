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
    fields={
        "environment": choice(
            "Environment",
            "The mock server has a Client ID and Secret of its own, and costs nothing.",
            ["live", "mock", "sandbox"],
            "live",
        ),
        "sender": FormField("Sender", "Alpha name that messages come from unless a task names another."),
    },
    has=("operators", "sensors"),
    notifiers=("KyivstarSmsNotifier",),
    links=("KyivstarConsoleLink",),
    former_id="kyivstar",
)
