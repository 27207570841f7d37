"""NovaConnect's state, and what a test does to it from outside."""

from __future__ import annotations

from airflow_provider_telecom.simulator.novaconnect import queues, seed
from airflow_provider_telecom.simulator.novaconnect.billing import usage_of
from airflow_provider_telecom.simulator.novaconnect.data import VendorData
from airflow_provider_telecom.simulator.novaconnect.models import Bill, Sim
from airflow_provider_telecom.simulator.novaconnect.webhooks import notice_body
from airflow_provider_telecom.simulator.state import SimulatorState


class VendorState(VendorData):
    """The data of NovaConnect, filled with a small fleet."""

    def __init__(self, simulator: SimulatorState) -> None:
        super().__init__(simulator)
        seed.seed_data(self)

    def add_sims(self, count: int) -> list[Sim]:
        """Add `count` unblocked SIMs, two of profile TD to one of TC, without groups or report rows."""
        return [seed.add_sim(self, "TD" if place % 3 else "TC") for place in range(count)]

    def make_bill(self, period: str) -> Bill:
        """Make the bill of a month (MM-YYYY) from what reports show of it."""
        number, charges = max(self.bills, default=500) + 1, usage_of(self, period)
        cost = round(sum(charges.values()) / 10_000, 2)
        self.bills[number] = Bill(number, period, self.now(), 0, cost, 515.5, f"NC-{number}", charges=charges)
        return self.bills[number]

    def settle(self, polling: bool = False) -> None:
        """Process what is due by now in every queue (see `queues.settle`)."""
        queues.settle(self, polling)

    def notify(self, kind: str, url: str) -> None:
        """Post a documented account notice, such as `package_empty` or `unpaid_bill_3`.

        It changes nothing: `unpaid_bill_6` blocks no SIM. Raises ValueError if there is no such type.
        """
        self.post(url, notice_body(self, kind))
