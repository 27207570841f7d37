"""A new vendor's webhook has a route, an asset, a place on the page and a printed address."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator

import pytest
from airflow.models.asset import AssetModel
from airflow.utils.session import create_session

from airflow_provider_telecom.command import get_telecom_commands
from airflow_provider_telecom.vendors.registry import register, unregister
from airflow_provider_telecom.webhooks.assets import event_asset
from airflow_provider_telecom.webhooks.page.overview import overview
from tests.toy_vendor import VENDOR
from tests.webhooks.conftest import Served

pytestmark = pytest.mark.xdist_group("webhooks")


@pytest.fixture(autouse=True)
def _registered() -> Iterator[None]:
    register(VENDOR)
    yield
    unregister(VENDOR)


def test_it_has_a_route_of_the_receiver_an_asset_and_a_place_on_the_page(served: Served) -> None:
    asset = event_asset(VENDOR.id, "low_balance")
    with create_session(scoped=False) as session:  # as if a Dag named it
        session.add(AssetModel(name=asset.name, uri=asset.uri, group=asset.group, extra={}))
    url = served.address("balance", vendor=VENDOR.id)
    assert served.post(url, {"balance": 3}).json() == {"ok": True, "detail": "accepted"}
    assert served.post(served.address("no_such_kind", vendor=VENDOR.id), {"balance": 3}).status_code == 404
    assert served.events(asset.name) == [{"conn_id": "default", "balance": 3}]
    shown = overview()
    assert shown["labels"][VENDOR.id] == "Toy Telecom"
    (counts,) = (each for each in shown["vendors"] if each["vendor"] == VENDOR.id)
    assert counts["accepted"] == 1
    assert shown["webhooks"][0]["vendor"] == VENDOR.id


def test_its_address_is_printed(served: Served, capsys: pytest.CaptureFixture[str]) -> None:
    (group,) = get_telecom_commands()
    command = next(one for one in group.subcommands if one.name == "webhook-urls")
    flags = [argument.flags[0] for argument in command.args]
    assert "--toy-telecom" in flags
    given = {flag.removeprefix("--").replace("-", "_"): "c" for flag in flags}
    command.func(Namespace(**given))
    assert served.address("balance", vendor=VENDOR.id, conn_id="c") in capsys.readouterr().out
