"""Registers the receiver and the page with Airflow. All Airflow processes import this, so it imports
little."""

from __future__ import annotations

import base64
import gc
from functools import cache
from pathlib import Path
from typing import Any

from airflow.plugins_manager import AirflowPlugin

from airflow_provider_telecom.webhooks.address import PREFIX

_HIDDEN = f"{PREFIX}/hook/***"
_LOGO = (Path(__file__).parent / "page" / "logo.svg").read_bytes()
_ICON = f"data:image/svg+xml;base64,{base64.b64encode(_LOGO).decode()}"
"""Not an address: Airflow itself may have a path prefix."""


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Pass a request to the application, and hide its address from Airflow's access log.

    The log is written after this, from the same scope.
    """
    secret = f"{PREFIX}/hook" in scope.get("path", "")  # Airflow itself may have a path prefix
    if secret and scope["type"] == "websocket":
        _hide(scope)  # there is no websocket here, and the server logs that before this ends
    try:
        await _app()(scope, receive, send)
    finally:
        if secret:
            _hide(scope)


def _hide(scope: Any) -> None:
    scope["path"], scope["raw_path"] = _HIDDEN, _HIDDEN.encode()


@cache
def _app() -> Any:
    from airflow_provider_telecom.webhooks.app import create_app

    app = create_app()
    gc.freeze()  # what is loaded stays, so full collections can skip it (docs/decisions/0006)
    return app


class TelecomPlugin(AirflowPlugin):
    """The receiver at `/telecom/hook`, and the page "Telecom" in the menu Browse."""

    name = "telecom"
    fastapi_apps = [{"app": application, "url_prefix": PREFIX, "name": "Telecom"}]  # noqa: RUF012 - as Airflow wants
    external_views = [  # noqa: RUF012
        {
            "name": "Telecom",
            "href": f"{PREFIX}/page",
            "destination": "nav",
            "category": "browse",
            "url_route": "telecom",
            "icon": _ICON,
        }
    ]
