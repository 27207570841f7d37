"""The commands that the provider adds to Airflow's command line: `airflow telecom ...`."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path
from typing import Any

from airflow.cli.cli_config import ActionCommand, Arg, CLICommand, GroupCommand

from airflow_provider_telecom.vendors.registry import vendors

_PACKAGE = Path(__file__).parent


def get_telecom_commands() -> list[CLICommand]:
    """Return the commands. Airflow calls this when it builds its parser."""
    from airflow_provider_telecom.simulator.__main__ import options

    simulator = ActionCommand(
        name="simulator",
        help="Start the simulator of the vendors on this machine",
        func=run_simulator,
        args=tuple(_argument(flag, **facts) for flag, facts in options().items()),
    )
    urls = ActionCommand(
        name="webhook-urls",
        help="Print the addresses for the vendors' account settings: whoever knows one can post to it",
        func=print_webhook_urls,
        args=tuple(_conn_id_argument(vendor) for vendor in dict(_account_webhooks())),
    )
    examples = ActionCommand(
        name="examples",
        help="Copy the example Dags, with the files that they read, to a folder",
        description="Copy the example Dags, with the files that they read, to a folder of Dags. They use the "
        "default connections (airflow telecom simulator prints some that cost nothing), and are paused at "
        "first.",
        func=copy_examples,
        args=(
            _argument("folder", help="such as ./dags; it is created if it is missing", type=Path),
            _argument("--overwrite", action="store_true", help="replace files that are there already"),
        ),
    )
    return [
        GroupCommand(name="telecom", help="The telecom provider", subcommands=[simulator, urls, examples])
    ]


def _argument(name: str, **facts: Any) -> Arg:
    return Arg((name,), **facts)  # type: ignore[no-untyped-call]  # Airflow leaves it untyped


def run_simulator(args: argparse.Namespace) -> None:
    """Run the simulator until it is interrupted."""
    from airflow_provider_telecom.simulator.__main__ import run

    raise SystemExit(run(args))


def copy_examples(args: argparse.Namespace) -> None:
    """Copy the example Dags to a folder. Without --overwrite, copy nothing if one of the files is there."""
    source = example_dags()
    names = sorted(path.relative_to(source) for path in source.rglob("*.*") if path.suffix in (".py", ".csv"))
    folder: Path = args.folder
    there = [str(name) for name in names if (folder / name).exists()]
    if there and not args.overwrite:
        raise SystemExit(f"Nothing was copied: {folder} has {', '.join(there)}. --overwrite replaces them.")
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / name, folder / name)
        print(folder / name)  # noqa: T201 - the command's output


def example_dags() -> Path:
    """Return the folder of the example Dags: in the package, or beside it in a checkout."""
    inside = _PACKAGE / "example_dags"
    return inside if inside.is_dir() else _PACKAGE.parent / "example_dags"


def _account_webhooks() -> list[tuple[str, str]]:
    """Return the vendors and kinds of webhooks that are entered in a vendor's account settings."""
    return [
        (vendor.id, webhook.kind)
        for vendor in vendors()
        for webhook in vendor.webhooks
        if webhook.is_for_account
    ]


def _conn_id_argument(vendor: str) -> Arg:
    return _argument(f"--{vendor.replace('_', '-')}", default=f"{vendor}_default", help="connection id")


def print_webhook_urls(args: argparse.Namespace) -> None:
    """Print the addresses of all webhooks that are entered in a vendor's account settings."""
    from airflow_provider_telecom.calls.errors import TelecomInputError
    from airflow_provider_telecom.webhooks.address import WebhookAddress, read_receiver_settings

    try:
        settings = read_receiver_settings()
    except TelecomInputError as error:
        raise SystemExit(str(error)) from None
    if settings is None:
        raise SystemExit("The receiver is closed: set public_base_url and webhook_secret in [telecom]")
    for vendor, kind in _account_webhooks():
        address = WebhookAddress(vendor, kind, getattr(args, vendor))
        print(f"{vendor} {kind}\n  {settings.url(address)}")  # noqa: T201 - the command's output
