"""Registers the receiver and its page with Airflow. All Airflow processes import this: it loads nothing."""

from __future__ import annotations

import gc
from functools import cache
from typing import Any

from airflow.plugins_manager import AirflowPlugin

from airflow_provider_telecom.webhooks.address import PREFIX

_HIDDEN = f"{PREFIX}/hook/***"


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Pass a request on to the application, and hide its address from Airflow's access log.

    The log is written when this has ended, of the scope that is shared with it.
    """
    secret = f"{PREFIX}/hook" in scope.get("path", "")  # Airflow itself may stand under a prefix
    if secret and scope["type"] == "websocket":
        _hide(scope)  # there is none here, and the server logs that before this has ended
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
    gc.freeze()  # what is loaded stays: full collections need not look at it (docs/decisions/0006)
    return app


class TelecomPlugin(AirflowPlugin):
    """The receiver under `/telecom/hook`, and the page "Telecom" under Browse."""

    name = "telecom"
    fastapi_apps = [{"app": application, "url_prefix": PREFIX, "name": "Telecom"}]  # noqa: RUF012 - as Airflow wants
    external_views = [  # noqa: RUF012
        {
            "name": "Telecom",
            "href": f"{PREFIX}/page",
            "destination": "nav",
            "category": "browse",
            "url_route": "telecom",
        }
    ]
