"""Which versions of the API answer on a server, for the test of a connection."""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args

from airflow_provider_telecom.calls.endpoint import Call
from airflow_provider_telecom.calls.errors import TelecomAuthError, TelecomError, TelecomInputError
from airflow_provider_telecom.calls.request import Idempotency, Request
from airflow_provider_telecom.vendors.kyivstar_open_telecom.models import PromoList
from airflow_provider_telecom.vendors.kyivstar_open_telecom.options import ApiVersion
from airflow_provider_telecom.vendors.kyivstar_open_telecom.requests import KyivstarRequests
from airflow_provider_telecom.vendors.kyivstar_open_telecom.responses import reader

_ANSWERS, _IS_MISSING = "answers", "is not there (HTTP 404)"
_REFUSED_BY_THE_API = (400, 422)


class VersionCalls(KyivstarRequests):
    """Asks each version of the API for the list of promos, which costs nothing."""

    def _check_versions(self) -> Call[str]:
        """Return which versions answer. Raises TelecomInputError if the connection's own is not there.

        Raises TelecomAuthError if the server refuses the token: the Client ID is for another environment.
        """
        options, found = self.options, {}
        if options.rest_path is not None:  # a gateway's path has one version
            found[options.api_version] = yield from self._check_prefix(options.prefix)
        else:
            for version in get_args(ApiVersion):
                found[version] = yield from self._check_prefix(options.prefix_of(version))
        return _summary(found, options.api_version)

    def _check_prefix(self, prefix: str) -> Call[str]:
        query = {"pageSize": 1, "pageNumber": 0}
        request = Request("GET", f"{prefix}/promo", Idempotency.READ, query=query)
        try:
            yield from self._call(request, reader(PromoList))
        except TelecomError as error:
            if isinstance(error, TelecomAuthError) and error.status == 401:
                raise
            if error.status in _REFUSED_BY_THE_API:
                return _ANSWERS
            return _IS_MISSING if error.status == 404 else f"is unclear ({error.summary})"
        return _ANSWERS


def _summary(found: Mapping[ApiVersion, str], chosen: ApiVersion) -> str:
    summary = ", ".join(f"{version} {what}" for version, what in found.items())
    if found[chosen] == _IS_MISSING:
        others = [version for version, what in found.items() if what == _ANSWERS]
        advice = f"set it to {others[0]}" if others else "check host, environment and rest_path"
        raise TelecomInputError("extra.api_version", f"is {chosen}, but {summary}: {advice}")
    return summary
