"""What NovaConnect answers and posts: SIMs, bills, people, report rows, call-backs and notices.

Times are Unix seconds, and each has a property that gives them as an aware moment in UTC (None for 0).
Codes stay open strings; the enums name the documented ones.
"""

from airflow_provider_telecom.vendors.novaconnect.models.answer import (
    Answer,
)
from airflow_provider_telecom.vendors.novaconnect.models.company import (
    Bill,
    Company,
    User,
)
from airflow_provider_telecom.vendors.novaconnect.models.reports import (
    ActionRow,
    ActionType,
    DayRow,
    ReportRow,
    SessionRow,
)
from airflow_provider_telecom.vendors.novaconnect.models.sims import (
    Group,
    Limit,
    LimitType,
    Queued,
    RenamedSim,
    Sim,
    SimBlock,
    Tariff,
)
from airflow_provider_telecom.vendors.novaconnect.models.webhooks import (
    Notice,
    NoticeFile,
    NoticeType,
    QueueCallback,
    QueueStatus,
    QueueUser,
    read_notice,
    read_queue_callback,
)

__all__ = [
    "ActionRow",
    "ActionType",
    "Answer",
    "Bill",
    "Company",
    "DayRow",
    "Group",
    "Limit",
    "LimitType",
    "Notice",
    "NoticeFile",
    "NoticeType",
    "QueueCallback",
    "QueueStatus",
    "QueueUser",
    "Queued",
    "RenamedSim",
    "ReportRow",
    "SessionRow",
    "Sim",
    "SimBlock",
    "Tariff",
    "User",
    "read_notice",
    "read_queue_callback",
]
