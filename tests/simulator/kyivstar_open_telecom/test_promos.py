"""The simulated Kyivstar's promos."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from httpx import Response

from tests.cost import least_cpu_seconds
from tests.simulator.kyivstar_open_telecom.vendor import PHONE, refused
from tests.simulator.kyivstar_open_telecom.vendor import Vendor as PlainVendor

DRAFT = {"from": "messagedesk", "text": "Hello ${1}, your code is ${2}", "campaignType": "SMS"}


class Vendor(PlainVendor):
    """The vendor, with an agreed sender."""

    def draft(self, **changes: Any) -> str:
        promo_id: str = self.post("/promo", DRAFT | changes).json()["id"]
        return promo_id

    def add(self, promo_id: str, count: int = 1) -> Response:
        audience = [{"phoneNumber": f"38067{i:07d}", "params": ["A", str(i)]} for i in range(count)]
        return self.post(f"/promo/{promo_id}/audience", {"audience": audience})

    def put(self, promo_id: str, status: str) -> Response:
        return self.ask("PUT", f"/promo/{promo_id}/status/{status}", {})


@pytest.fixture
def vendor() -> Vendor:
    return Vendor()


class TestPromoDraft:
    def test_draft(self, vendor: Vendor) -> None:
        promo = vendor.post("/promo", DRAFT).json()
        assert promo["status"] == "DRAFT"
        assert promo["nextAvailableStatuses"] == ["WAITING"]
        assert promo["textToSend"] == DRAFT["text"]
        assert promo["messageContent"]["messageParamCount"] == 2
        assert promo["endDate"] is None
        assert vendor.get(f"/promo/{promo['id']}").json() == promo
        (effect,) = vendor.effects("promo_draft")
        assert effect.facts["id"] == promo["id"]

    @pytest.mark.parametrize(
        "changes",
        [{"campaignType": "sms"}, {"text": " "}, {"from": "forbidden"}, {"startDate": "2030-01-01"}],
    )
    def test_wrong_draft(self, vendor: Vendor, changes: dict[str, Any]) -> None:
        refused(vendor.post("/promo", DRAFT | changes), 422)
        assert vendor.effects("promo_draft") == []

    def test_unknown_promo(self, vendor: Vendor) -> None:
        refused(vendor.get("/promo/none"), 404)
        refused(vendor.get("/promo/none/statistics"), 404)
        refused(vendor.put("none", "WAITING"), 404)
        refused(vendor.add("none"), 404)

    def test_each_server_has_its_own(self, vendor: Vendor) -> None:
        promo_id = vendor.draft()
        vendor.on_mock()
        refused(vendor.get(f"/promo/{promo_id}"), 404)
        assert vendor.get("/promo", pageSize=5, pageNumber=0).json()["totalElements"] == 0


class TestPromoAudience:
    def test_chunks_are_appended(self, vendor: Vendor) -> None:
        promo_id = vendor.draft()
        answers = [vendor.add(promo_id, 2).json() for _ in range(2)]
        assert set(answers[0]) == {"reqId", "name"}
        assert answers[0]["name"] != answers[1]["name"]
        chunk = [("380670000000", ("A", "0")), ("380670000001", ("A", "1"))]
        assert vendor.vendor_state.promos[promo_id].audience == chunk * 2
        counts = [effect.facts["count"] for effect in vendor.effects("promo_audience")]
        assert counts == [2, 2]

    def test_the_largest_chunk_costs_no_more_for_each_number(self, vendor: Vendor) -> None:
        small, large, promo_id = vendor.draft(), vendor.draft(), vendor.draft()
        tenth = least_cpu_seconds(lambda: vendor.add(small, 2_000))
        whole = least_cpu_seconds(lambda: vendor.add(large, 20_000), tries=3)
        assert whole < 40 * tenth
        vendor.add(promo_id, 20_000)
        refused(vendor.add(promo_id, 20_001), 413)
        assert len(vendor.vendor_state.promos[promo_id].audience) == 20_000

    @pytest.mark.parametrize(
        "entry",
        [
            {"phoneNumber": "0670000200", "params": ["A", "B"]},
            {"phoneNumber": PHONE, "params": ["A"]},
            {"phoneNumber": PHONE, "params": ["A", "B", "C"]},
            {"phoneNumber": PHONE, "params": ["A", 1]},
            {"phoneNumber": PHONE, "params": "AB"},
            {"phoneNumber": PHONE},
            {"phone": PHONE, "params": ["A", "B"]},
            PHONE,
        ],
    )
    def test_one_wrong_record_refuses_the_chunk(self, vendor: Vendor, entry: Any) -> None:
        promo_id = vendor.draft()
        good = {"phoneNumber": PHONE, "params": ["A", "B"]}
        refused(vendor.post(f"/promo/{promo_id}/audience", {"audience": [good, entry]}), 422)
        assert vendor.vendor_state.promos[promo_id].audience == []

    @pytest.mark.parametrize("body", [{}, {"audience": []}, {"audience": {}}, {"audience": [], "name": "x"}])
    def test_wrong_body(self, vendor: Vendor, body: Any) -> None:
        refused(vendor.post(f"/promo/{vendor.draft()}/audience", body), 422)

    def test_only_a_draft_takes_more(self, vendor: Vendor) -> None:
        promo_id = vendor.draft()
        vendor.add(promo_id)
        vendor.put(promo_id, "WAITING")
        refused(vendor.add(promo_id), 422)


class TestPromoStatus:
    def waiting(self, vendor: Vendor, count: int = 4) -> str:
        promo_id = vendor.draft()
        vendor.add(promo_id, count)
        assert vendor.put(promo_id, "WAITING").json()["status"] == "WAITING"
        return promo_id

    def test_runs_to_its_end(self, vendor: Vendor) -> None:
        vendor.state.set_transition("kyivstar_open_telecom.promo", "after_polls", 1)
        promo_id = self.waiting(vendor)
        assert vendor.effects("promo_started") == []
        seen = [vendor.get(f"/promo/{promo_id}").json() for _ in range(3)]
        assert [promo["status"] for promo in seen] == ["ACTIVE", "COMPLETED", "COMPLETED"]
        assert seen[0]["nextAvailableStatuses"] == ["COMPLETED", "SUSPENDED"]
        assert seen[2]["nextAvailableStatuses"] == []
        assert seen[2]["endDate"] is not None
        (effect,) = vendor.effects("promo_started")
        assert effect.facts == {"environment": "live", "id": promo_id, "count": 4}

    def test_at_once(self, vendor: Vendor) -> None:
        promo_id = self.waiting(vendor)
        assert len(vendor.effects("promo_started")) == 1
        assert vendor.get(f"/promo/{promo_id}").json()["status"] == "COMPLETED"

    def test_suspended_before_it_begins(self, vendor: Vendor) -> None:
        vendor.state.set_transition("kyivstar_open_telecom.promo", "after_seconds", 60)
        promo_id = self.waiting(vendor)
        assert vendor.put(promo_id, "SUSPENDED").json()["nextAvailableStatuses"] == ["WAITING"]
        vendor.state.clock.advance(3600)
        assert vendor.get(f"/promo/{promo_id}").json()["status"] == "SUSPENDED"
        assert vendor.effects("promo_started") == []
        assert len(vendor.effects("promo_suspended")) == 1

    def test_suspended_and_resumed(self, vendor: Vendor) -> None:
        vendor.state.set_transition("kyivstar_open_telecom.promo", "after_seconds", 60)
        promo_id = self.waiting(vendor)
        vendor.state.clock.advance(60)
        assert vendor.put(promo_id, "SUSPENDED").status_code == 200
        assert vendor.get(f"/promo/{promo_id}/statistics").json()["wasNotSent"] == 2
        assert vendor.put(promo_id, "WAITING").status_code == 200
        vendor.state.clock.advance(120)
        assert vendor.get(f"/promo/{promo_id}").json()["status"] == "COMPLETED"
        counts = [effect.facts["count"] for effect in vendor.effects("promo_started")]
        assert counts == [4, 2]

    @pytest.mark.parametrize("status", ["DRAFT", "ACTIVE", "COMPLETED", "waiting", "SUSPENDED"])
    def test_draft_only_waits(self, vendor: Vendor, status: str) -> None:
        promo_id = vendor.draft()
        vendor.add(promo_id)
        refused(vendor.put(promo_id, status), 422)
        assert vendor.vendor_state.promos[promo_id].status == "DRAFT"

    def test_waiting_once(self, vendor: Vendor) -> None:
        vendor.state.set_transition("kyivstar_open_telecom.promo", "after_seconds", 60)
        refused(vendor.put(self.waiting(vendor), "WAITING"), 422)

    def test_the_completed_stay_completed(self, vendor: Vendor) -> None:
        promo_id = self.waiting(vendor)
        refused(vendor.put(promo_id, "WAITING"), 422)
        refused(vendor.put(promo_id, "SUSPENDED"), 422)
        assert len(vendor.effects("promo_started")) == 1

    def test_empty_audience(self, vendor: Vendor) -> None:
        assert "empty" in refused(vendor.put(vendor.draft(), "WAITING"), 422)

    def test_statistics(self, vendor: Vendor) -> None:
        vendor.state.set_transition("kyivstar_open_telecom.promo", "after_seconds", 60)
        vendor.vendor_state.unreachable.add("380670000001")
        promo_id = self.waiting(vendor)
        before = vendor.get(f"/promo/{promo_id}/statistics").json()
        vendor.state.clock.advance(120)
        after = vendor.get(f"/promo/{promo_id}/statistics").json()
        assert (before["sentCount"], before["wasNotSent"]) == (0, 4)
        names = ("sentCount", "deliveriesCount", "undeliveredCount", "wasNotSent", "expiredCount")
        assert [after[name] for name in names] == [4, 3, 1, 0, 0]


class TestPromoList:
    def test_pages(self, vendor: Vendor) -> None:
        ids = [vendor.draft() for _ in range(5)]
        pages = [vendor.get("/promo", pageSize=2, pageNumber=number).json() for number in range(4)]
        assert [promo["id"] for page in pages for promo in page["promos"]] == ids
        numbers = {name: pages[2][name] for name in ("totalPages", "totalElements", "number", "size")}
        assert numbers == {"totalPages": 3, "totalElements": 5, "number": 2, "size": 2}
        assert pages[3]["promos"] == []

    def test_sorted(self, vendor: Vendor) -> None:
        ids = [vendor.draft() for _ in range(4)]

        def listed(**query: str) -> list[str]:
            page = vendor.get("/promo", pageSize=9, pageNumber=0, **query).json()
            return [promo["id"] for promo in page["promos"]]

        assert listed(sortBy="id") == sorted(ids)
        assert listed(sortBy="startDate", sortDirection="DESC") == ids[::-1]
        assert listed(sortDirection="desc") == ids[::-1]

    def test_filtered_by_start(self, vendor: Vendor) -> None:
        old = vendor.draft()
        now = vendor.state.clock.now()
        vendor.state.clock.advance(3600)
        new = vendor.draft()
        border = (now + timedelta(seconds=1800)).strftime("%Y-%m-%dT%H:%M:%SZ")

        def listed(**query: str) -> list[str]:
            page = vendor.get("/promo", pageSize=9, pageNumber=0, **query).json()
            return [promo["id"] for promo in page["promos"]]

        assert listed(startDateFrom=border) == [new]
        assert listed(startDateTo=border) == [old]
        assert listed(startDateFrom="2020-01-01") == [old, new]

    @pytest.mark.parametrize(
        "query",
        [
            {"pageSize": 5},
            {"pageNumber": 0},
            {"pageSize": 0, "pageNumber": 0},
            {"pageSize": 5, "pageNumber": -1},
            {"pageSize": 5, "pageNumber": 0, "sortBy": "text"},
            {"pageSize": 5, "pageNumber": 0, "sortDirection": "up"},
            {"pageSize": 5, "pageNumber": 0, "startDateFrom": "yesterday"},
            {"pageSize": 5, "pageNumber": 0, "page": 1},
        ],
    )
    def test_wrong_query(self, vendor: Vendor, query: dict[str, Any]) -> None:
        refused(vendor.get("/promo", **query), 422)

    def test_a_look_ripens(self, vendor: Vendor) -> None:
        vendor.state.set_transition("kyivstar_open_telecom.promo", "after_polls", 1)
        promo_id = vendor.draft()
        vendor.add(promo_id)
        vendor.put(promo_id, "WAITING")
        page = vendor.get("/promo", pageSize=1, pageNumber=0).json()
        assert page["promos"][0]["status"] == "ACTIVE"
