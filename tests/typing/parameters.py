"""Checked by mypy, not run: a misspelt, missing or ill-typed parameter is an error for type checkers."""

from airflow_provider_telecom.operators.ketchup_loyalty import KetchUpSendBulkSmsOperator

KetchUpSendBulkSmsOperator(
    task_id="send", recipients=["380670000200"], text="Hi", max_cost="5", poll_interval=60, retries=1
)
KetchUpSendBulkSmsOperator(task_id="a", recipients=[], text="Hi", poke_interval=60)  # type: ignore[call-arg]
KetchUpSendBulkSmsOperator(task_id="a", recipients=[], text="Hi", con_id="a")  # type: ignore[call-arg]
KetchUpSendBulkSmsOperator(task_id="a", recipients=[])  # type: ignore[call-arg]
KetchUpSendBulkSmsOperator(task_id="a", recipients=[], text=3)  # type: ignore[arg-type]
KetchUpSendBulkSmsOperator(recipients=[], text="Hi")  # type: ignore[call-arg]
