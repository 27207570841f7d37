"""`airflow telecom ...`: what the provider adds to Airflow's command line."""

from __future__ import annotations

import argparse
from typing import Any

from airflow.cli.cli_config import ActionCommand, Arg, CLICommand, GroupCommand


def get_telecom_commands() -> list[CLICommand]:
    """Return the commands. Called by Airflow when it builds its parser."""
    from airflow_provider_telecom.simulator.__main__ import options

    simulator = ActionCommand(
        name="simulator",
        help="Start the simulator of all five vendors on this machine",
        func=run_simulator,
        args=tuple(_argument(flag, **facts) for flag, facts in options().items()),
    )
    urls = ActionCommand(
        name="callback-urls",
        help="Print the addresses to put into the vendors' cabinets: whoever knows one can post to it",
        func=print_callback_urls,
        args=(
            _argument("--novaconnect", default="novaconnect_default", help="connection id"),
            _argument("--ketchup-loyalty", default="ketchup_loyalty_default", help="connection id"),
        ),
    )
    return [GroupCommand(name="telecom", help="The telecom provider", subcommands=[simulator, urls])]


def _argument(flag: str, **facts: Any) -> Arg:
    return Arg((flag,), **facts)  # type: ignore[no-untyped-call]  # Airflow leaves it untyped


def run_simulator(args: argparse.Namespace) -> None:
    """Run the simulator until it is told to end."""
    from airflow_provider_telecom.simulator.__main__ import run

    raise SystemExit(run(args))


def print_callback_urls(args: argparse.Namespace) -> None:
    """Print an address for each kind of post that a vendor's cabinet can be told to make."""
    from airflow_provider_telecom.calls.errors import TelecomInputError
    from airflow_provider_telecom.webhooks.address import (
        ACCOUNT_WEBHOOKS,
        WebhookAddress,
        read_receiver_settings,
    )

    try:
        settings = read_receiver_settings()
    except TelecomInputError as error:
        raise SystemExit(str(error)) from None
    if settings is None:
        raise SystemExit("The receiver is closed: set public_base_url and webhook_secret in [telecom]")
    for vendor, kind in ACCOUNT_WEBHOOKS:
        address = WebhookAddress(vendor, kind, getattr(args, vendor))
        print(f"{vendor} {kind}\n  {settings.url(address)}")  # noqa: T201 - that is what it is for
