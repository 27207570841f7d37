"""Kyivstar FMC, the virtual mobile PBX: call records and originating calls."""

from airflow_provider_telecom.vendors.description import FormField, Vendor

VENDOR = Vendor(
    id="kyivstar_fmc",
    label="Kyivstar FMC (virtual PBX)",
    site="https://fmc.kyivstar.ua",
    host="https://fmc.kyivstar.ua",
    hook="KyivstarFmcHook",
    password="FMC token (64 characters)",  # noqa: S106 - a label
    color="#dbe9ff",
    fields={
        "calling_number": FormField(
            "Calling number", "The PBX subscriber on whose behalf calls start unless a task names another."
        ),
    },
    has=("operators", "sensors", "transfers"),
    notifiers=("KyivstarFmcCallNotifier",),
    links=("KyivstarFmcConsoleLink",),
    former_id="fmc",
    campaign_tasks={
        "KyivstarFmcBulkCallOperator": "call",
        "KyivstarFmcCollectReceiptsOperator": "receipts",
    },
)
