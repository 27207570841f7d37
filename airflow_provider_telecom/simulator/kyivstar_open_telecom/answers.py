"""How Kyivstar says no. Of the error codes only 1040 is known to be the vendor's own."""

from __future__ import annotations

NOT_JSON = 1000
BAD_FIELD = 1010
NOT_A_SUBSCRIBER = 1020
NO_SCORE = 1030
NO_MESSAGE_STATUS = 1040
TOO_MANY_REQUESTS = 1050
TOO_LARGE = 1060
NO_PROMO = 1070
BAD_PROMO_STATUS = 1080


class RefusedError(Exception):
    """A request that is refused with an HTTP status, an error code and a text."""

    def __init__(self, status: int, code: int, text: str) -> None:
        super().__init__(text)
        self.status, self.code, self.text = status, code, text

    def body(self, request_id: str) -> dict[str, object]:
        """Return the JSON body; the gateway's own 401 has another form than all the rest."""
        if self.status == 401:
            return {"error": {"message": self.text}}
        return {"reqId": request_id, "errorCode": self.code, "errorMsg": self.text}


def unauthorized() -> RefusedError:
    """Return the refusal of a missing, dead or foreign token."""
    return RefusedError(401, 0, "Invalid authentication credentials")


def wrong(name: str, trouble: str = "wrong value") -> RefusedError:
    """Return the refusal of a field or parameter."""
    return RefusedError(422, BAD_FIELD, f"{name}: {trouble}")
