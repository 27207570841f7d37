"""A vendor that this provider does not know: what is here is all that a vendor needs."""

from airflow_provider_telecom.vendors.description import FormField, Vendor, Webhook

VENDOR = Vendor(
    id="toy_telecom",
    label="Toy Telecom",
    site="https://toy.example.com/docs",
    host="https://toy.example.com",
    hook="tests.toy_vendor.hook.ToyHook",
    password="Toy token",
    fields={"toy_path": FormField("Toy path", "What stands before each call. Default /toy.")},
    webhooks=(
        Webhook(
            kind="balance",
            reader="tests.toy_vendor.webhooks.balance",
            events=("low_balance",),
            is_for_account=True,
        ),
    ),
)
