"""The commands that the provider adds to Airflow's command line: `airflow telecom ...`."""

from __future__ import annotations

import argparse
import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.cli.cli_config import ActionCommand, Arg, CLICommand, GroupCommand

from airflow_provider_telecom.calls.errors import TelecomError, TelecomInputError
from airflow_provider_telecom.vendors.description import import_from
from airflow_provider_telecom.vendors.registry import find_vendor, vendors

if TYPE_CHECKING:
    from airflow_provider_telecom.bulk.preview_source import Price

_PACKAGE = Path(__file__).parent
_VARIANT_TEXT = re.compile(r"[A-Za-z0-9_-]{1,64}=")


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
    preview = ActionCommand(
        name="preview",
        help="Show what a campaign would send, and what it would cost, without sending it",
        description="Show what a campaign would send: recipients, exclusions, texts with made-up values, SMS "
        "segments and their encodings, prices and time windows. It sends nothing and shows no number.",
        func=preview_campaign,
        args=(
            _argument(
                "--recipients", required=True, help="a CSV or JSON lines file, or the folder of an audience"
            ),
            _argument(
                "--text",
                required=True,
                action="append",
                help="the text, with {column}; or one per variant: --text A=... --text B=...",
            ),
            _argument("--msisdn-column", default="msisdn", help="the column of the number (msisdn)"),
            _argument("--conn-id", help="the connection whose vendor is asked for prices"),
            _argument("--sender", help="the sender, for prices; by default the connection's"),
            _argument("--max-segments", type=int, help="refuse texts that take more SMS"),
            _argument("--quiet-hours", help="local times at which nothing is sent, such as 21:00-09:00"),
            _argument("--timezone", help="the time zone of recipients whose number does not say it"),
            _argument("--output", choices=("table", "json"), default="table", help="the format (table)"),
        ),
    )
    budget = ActionCommand(
        name="budget",
        help="Show what was spent of budgets",
        description="Show what tasks have spent and reserved of their budgets in the last 90 days, from "
        "Airflow's database. With a name also what each task has.",
        func=print_budgets,
        args=(
            _argument("name", nargs="?", help="the budget; by default all"),
            _argument("--output", choices=("table", "json"), default="table", help="the format (table)"),
        ),
    )
    commands: list[ActionCommand | GroupCommand] = [simulator, urls, examples, preview, budget]
    return [GroupCommand(name="telecom", help="The telecom provider", subcommands=commands)]


def _argument(name: str, **facts: Any) -> Arg:
    return Arg((name,), **facts)  # type: ignore[no-untyped-call]  # Airflow leaves it untyped


def run_simulator(args: argparse.Namespace) -> None:
    """Run the simulator until it is interrupted."""
    from airflow_provider_telecom.simulator.__main__ import run

    raise SystemExit(run(args))


def copy_examples(args: argparse.Namespace) -> None:
    """Copy the example Dags to a folder. Without --overwrite, copy nothing if one of the files is there."""
    source = example_dags()
    suffixes = (".py", ".csv", ".yaml", ".json")
    names = sorted(path.relative_to(source) for path in source.rglob("*.*") if path.suffix in suffixes)
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


def preview_campaign(args: argparse.Namespace) -> None:
    """Print the table of a dry run. Ends with an error for what a sending task would refuse as well."""
    from airflow_provider_telecom.bulk.preview import preview_lines
    from airflow_provider_telecom.bulk.preview_source import PreviewRequest, preview

    try:
        price = None if args.conn_id is None else _price(args.conn_id, args.sender)
        request = PreviewRequest(
            args.recipients,
            _texts(args.text),
            args.msisdn_column,
            max_segments=args.max_segments,
            quiet_hours=args.quiet_hours,
            timezone=args.timezone,
        )
        summary = preview(request, price)
    except TelecomError as error:
        raise SystemExit(str(error)) from None
    if args.output == "json":
        print(json.dumps(summary, ensure_ascii=False, indent=2))  # noqa: T201 - the command's output
    else:
        print(*preview_lines(summary), sep="\n")  # noqa: T201 - the command's output


def _price(conn_id: str, sender: str | None) -> Price:
    """Return what asks the vendor of a connection for prices. Raises TelecomInputError if it has none."""
    from airflow.sdk import Connection
    from airflow.sdk.exceptions import AirflowNotFoundException

    try:
        vendor = find_vendor(str(Connection.get(conn_id).conn_type))
    except AirflowNotFoundException:
        raise TelecomInputError("conn_id", f"there is no connection {conn_id}") from None
    if vendor is None or vendor.prices_path is None:
        known = ", ".join(one.id for one in vendors() if one.prices is not None)
        raise TelecomInputError("conn_id", f"must be a connection of a vendor that quotes prices: {known}")
    price: Price = import_from(vendor.prices_path)(conn_id, sender)
    return price


def _texts(given: Sequence[str]) -> str | dict[str, str]:
    """Return the text of `--text`, or those of variants: `A=...`, each variant once."""
    if len(given) == 1 and not _VARIANT_TEXT.match(given[0]):
        return given[0]
    found: dict[str, str] = {}
    for one in given:
        name, _, text = one.partition("=")
        if not _VARIANT_TEXT.match(one) or name in found:
            rule = "must be one text, or one per variant, each once: --text A=... --text B=..."
            raise TelecomInputError("text", rule)
        found[name] = text
    return found


def print_budgets(args: argparse.Namespace) -> None:
    """Print what was spent of a budget, or of all."""
    from airflow_provider_telecom.bulk.budget_report import budget_lines, read_budgets

    rows = read_budgets(args.name)
    if args.output == "json":
        print(json.dumps(rows, indent=2))  # noqa: T201 - the command's output
    else:
        print(*budget_lines(rows, args.name), sep="\n")  # noqa: T201 - the command's output


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
