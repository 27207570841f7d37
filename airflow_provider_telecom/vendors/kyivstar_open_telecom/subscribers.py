"""Checks of one subscriber. Each is billed on the live server, and so is each duplicate."""

from __future__ import annotations

from collections.abc import Mapping

from airflow_provider_telecom.calls.endpoint import Call, endpoint
from airflow_provider_telecom.calls.errors import TelecomNotFoundError
from airflow_provider_telecom.calls.request import Idempotency, Request, Response
from airflow_provider_telecom.calls.responses import unreadable_response
from airflow_provider_telecom.vendors.kyivstar_open_telecom import arguments, models
from airflow_provider_telecom.vendors.kyivstar_open_telecom.requests import KyivstarRequests
from airflow_provider_telecom.vendors.kyivstar_open_telecom.responses import reader


class SubscriberCalls(KyivstarRequests):
    """Has the SIM been changed? Is this the subscriber's device? How is their financial score?

    With the connection's `api_version` v1 the checks use the paths and responses of API v1, which are known
    from a public client only.

    Each check raises TelecomNotFoundError if the vendor says that the number is not a Kyivstar subscriber's,
    and TelecomRejectedError for a 404 in any other form. Without a clear response the request is repeated
    once: a duplicate does no harm, but is billed. With `repeats_lost_checks` False it is not repeated:
    TelecomUnknownError is raised, as for an effect without an idempotency key, and the caller decides.
    """

    repeats_lost_checks: bool = True

    @endpoint
    def verify_sim(self, msisdn: str | int, activation_hours: int) -> Call[models.SimCheck]:
        """Return whether the SIM was changed within the last `activation_hours`, and whether it is active.

        API v1 does not say whether it is active, but what else has changed. It is assumed that its period is
        in hours as well; if it were in days, a longer period would be checked.

        Raises TelecomInputError, TelecomNotFoundError (not a Kyivstar subscriber). A billed read.
        Source: "/subscribers/{phoneNumber}/verify-sim"; v1: GET .../sim-check-antifraud.
        """
        hours = arguments.hours_back(activation_hours)
        if self._is_v1:
            request = self._check(msisdn, "GET", "sim-check-antifraud", query={"checkPeriod": hours})
            return (yield from self._call(request, reader(models.SimCheck)))
        request = self._check(msisdn, "POST", "verify-sim", body={"activationHours": hours})
        return (yield from self._call(request, _sim_check))

    @endpoint
    def check_sim_count(self, msisdn: str | int, days: int) -> Call[models.SimCount]:
        """Return how many SIMs the number had within the last `days` (1 to 120); 10 means 10 or more.

        Raises TelecomInputError, TelecomNotFoundError (not a Kyivstar subscriber). A billed read.
        Source: "/subscribers/{phoneNumber}/check-sim-count"; v1: GET .../sim-count.
        """
        period = {"daysCount": arguments.days_back("days", days)}
        if self._is_v1:
            request = self._check(msisdn, "GET", "sim-count", query=period)
        else:
            request = self._check(msisdn, "POST", "check-sim-count", body=period)
        return (yield from self._call(request, reader(models.SimCount)))

    @endpoint
    def check_device(
        self, msisdn: str | int, *, imei: str | int | None = None, days_period: int | None = None
    ) -> Call[models.DeviceCheck]:
        """Return whether `imei` is the subscriber's, or how many devices were used in `days_period` days.

        Exactly one of the two must be given; `days_period` is 1 to 120.
        Raises TelecomInputError, TelecomNotFoundError (not a Kyivstar subscriber). A billed read.
        Source: "/subscribers/{phoneNumber}/device-check".
        """
        request = self._check(msisdn, "GET", "device-check", query=self._device_query(imei, days_period))
        return (yield from self._call(request, reader(models.DeviceCheck)))

    @endpoint
    def check_lifetime(self, msisdn: str | int) -> Call[models.LifetimeCheck]:
        """Return how long ago the SIM was activated or changed, as bounds in the vendor's unit (months).

        The document describes it as a check "за останні 30 днів" (of the last 30 days), and shows no
        response. Public clients show bounds that reach beyond 30 days. So an activation or a change of the
        last 30 days should show, and the bounds say how long ago it was; what an older one looks like, and
        whether "30 days" limits the response at all, is not documented. A bound that is missing is None.

        Raises TelecomInputError, TelecomNotFoundError (not a Kyivstar subscriber). A billed read.
        Source: "/subscribers/{phoneNumber}/lifetime-check"; v1: GET .../lifetime.
        """
        if self._is_v1:
            request = self._check(msisdn, "GET", "lifetime")
        else:
            request = self._check(msisdn, "POST", "lifetime-check", body={})
        return (yield from self._call(request, reader(models.LifetimeCheck)))

    @endpoint
    def get_score(self, msisdn: str | int, *, model_id: str | None = "7") -> Call[int | float | None]:
        """Return the financial score by a predictive model; None if there is none (the vendor's 404).

        Model 7 is the vendor's general model; others are made to order. None leaves the choice to the vendor.
        Raises TelecomInputError, TelecomRejectedError (422: not a model of yours). A billed read.
        Source: "/subscribers/{phoneNumber}/score"; v1: GET .../scoring.
        """
        name, parameter = ("scoring", "scoreFormula") if self._is_v1 else ("score", "modelId")
        query = {} if model_id is None else {parameter: arguments.score_model(model_id)}
        request = self._check(msisdn, "GET", name, query=query)
        return (yield from self._call(request, _score))

    def _check(
        self,
        msisdn: str | int,
        method: str,
        name: str,
        *,
        query: Mapping[str, str | int] | None = None,
        body: Mapping[str, object] | None = None,
    ) -> Request:
        ids = {"msisdn": self._msisdn(msisdn)}
        path = f"/subscribers/{{msisdn}}/{name}"
        idempotency = Idempotency.BILLED_READ if self.repeats_lost_checks else Idempotency.NONE
        return self._request(method, path, idempotency, ids=ids, query=query, body=body)

    def _device_query(self, imei: str | int | None, days_period: int | None) -> dict[str, str | int]:
        arguments.check_imei_or_period(imei, days_period)
        if imei is not None:
            is_mock = self.options.environment == "mock"
            name = "imei" if self._is_v1 else "IMEI"
            return {name: arguments.imei_digits(imei, example_allowed=is_mock)}
        return {"daysPeriod": arguments.days_back("days_period", days_period or 0)}


def _sim_check(response: Response) -> models.SimCheck:
    """Return the result of v1beta, which must say whether the SIM is active."""
    found = reader(models.SimCheck)(response)
    if found.is_active is None:
        raise unreadable_response("unexpected answer, see isActive", response.body, response.status)
    return found


def _score(response: Response) -> int | float | None:
    """Return the score. The vendor's 404 means that there is no score, or no such subscriber."""
    try:
        return reader(models.Score)(response).score
    except TelecomNotFoundError:
        return None
