"""Settings of the virtual PBX: what may be sent, how changes are noticed, how doubts are settled."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_telecom.calls.errors import (
    TelecomAnswerError,
    TelecomInputError,
    TelecomRejectedError,
    TelecomUnknownError,
)
from airflow_provider_telecom.calls.request import Idempotency, Unknown
from airflow_provider_telecom.vendors.sunsim.vats import read_settings
from airflow_provider_telecom.vendors.sunsim.vats_diff import differences, summarize
from airflow_provider_telecom.vendors.sunsim.vats_settings import (
    check,
    copy_settings,
    format_redirect_numbers,
    settings_hash,
)
from tests.vendors.sunsim.by_hand import ABOUT, BASE, ScriptedApi, answer, asked, enveloped, sent, vats

Edit = Callable[[dict[str, Any]], Any]
Entry = dict[str, Any]
READ, SET = "/api/v1/Vats/settings/get", "/api/v1/Vats/settings/set"


def checked(settings: Any, read: Any = ()) -> list[Entry]:
    """Return settings as they are sent, when the vendor shows `read`."""
    wanted = copy_settings(settings)
    check(wanted, read, "RU")
    format_redirect_numbers(wanted, "RU")
    return wanted


def profile(entry: dict[str, Any]) -> Any:
    return entry["profiles"][0]


def block(entry: dict[str, Any], place: int = 0) -> Any:
    return profile(entry)["scheduleBlocks"][place]


def redirect(entry: dict[str, Any]) -> Any:
    return block(entry)["redirectNums"][0]


def times(entry: dict[str, Any], day: str, place: int = 0) -> Any:
    return block(entry, place)["scheduleJson"]["schedule"]["days"][day]["times"]


def edited(edit: Edit) -> list[dict[str, Any]]:
    entry = vats()
    edit(entry)
    return [entry]


def shown(*entries: dict[str, Any]) -> Any:
    return enveloped(vatsSettings=list(entries))


class TestRead:
    def test_what_is_sent(self) -> None:
        (request,), found = asked(ScriptedApi().get_vats_settings(["+79000000000"]), shown(vats()))
        assert (request.method, request.url(BASE), sent(request)) == (
            "POST",
            f"{BASE}{READ}",
            {"nums": ["9000000000"]},
        )
        assert request.idempotency is Idempotency.READ
        assert (found.settings, found.result) == ([vats()], ABOUT)
        assert found.hash == settings_hash([vats()])

    def test_row_32_the_key_is_written_in_two_ways(self) -> None:
        assert read_settings(enveloped(vatssettings=[vats()])).settings == [vats()]

    def test_row_32_unknown_fields_stay_and_fractions_can_be_sent_back(self) -> None:
        body = json.dumps({"result": {"vatsSettings": [{**vats(), "new": {"rate": 0.5}}]}})
        found = read_settings(answer(body.encode())).settings
        assert json.loads(json.dumps(checked(found)))[0]["new"] == {"rate": 0.5}

    @pytest.mark.parametrize("result", [{}, {"vatsSettings": {"profiles": {}}}, {"vatsSettings": [1]}])
    def test_row_32_lists_are_lists(self, result: Any) -> None:
        """The document writes `{ {` where a list is meant."""
        with pytest.raises(TelecomAnswerError, match="no list of settings"):
            read_settings(enveloped(**result))

    @pytest.mark.parametrize("numbers", [[], "9000000000", ["1"]])
    def test_wrong_numbers(self, numbers: Any) -> None:
        with pytest.raises(TelecomInputError, match="numbers"):
            next(ScriptedApi().get_vats_settings(numbers))


class TestChecks:
    def test_settings_as_they_were_read_are_fit_and_stay_as_they_are(self) -> None:
        before = [vats(), vats("9000000001")]
        kept = deepcopy(before)
        assert checked(before) == kept
        assert before == kept

    @pytest.mark.parametrize(
        ("given", "sent_as"),
        [
            ("9001234567", "9001234567"),
            ("89001234567", "89001234567"),
            ("+79001234567", "+79001234567"),
            ("+7 900 123-45-67", "9001234567"),
            ("79001234567", "9001234567"),
            (9001234567, 9001234567),
            (89001234567, 89001234567),
        ],
    )
    def test_row_33_redirect_numbers_leave_in_one_of_the_three_forms_of_the_document(
        self, given: Any, sent_as: Any
    ) -> None:
        before = edited(lambda entry: redirect(entry).update(num=given))
        assert redirect(checked(before)[0])["num"] == sent_as
        assert redirect(before[0])["num"] == given

    @pytest.mark.parametrize(
        ("edit", "expected"),
        [
            (
                lambda e: times(e, "1")[0].update(time_start=32_399),
                "day 1: times overlap between 32399 and 32400",
            ),
            (
                lambda e: times(e, "2")[0].update(time_start=32_401),
                "day 2: times leave a gap between 32400 and",
            ),
            (lambda e: times(e, "6", 1).clear(), "day 6: times leave a gap between 0 and 86400"),
            (lambda e: times(e, "7", 1)[0].update(time_end=86_399), "day 7: times leave a gap between 86399"),
            (lambda e: times(e, "7", 1)[0].update(time_start=1), "day 7: times leave a gap between 0 and 1"),
            (lambda e: times(e, "6").append({"time_start": 0, "time_end": 86_400}), "day 6: times overlap"),
            (lambda e: times(e, "5")[0].update(time_end=32_400), "day 5: the time 32400-32400 ends before"),
            (
                lambda e: times(e, "5")[0].update(time_end=86_401),
                "day 5: time_end: 86401: must be 0 to 86400",
            ),
            (lambda e: times(e, "5")[0].update(time_start=-1), "day 5: time_start"),
            (lambda e: times(e, "5")[0].update(time_start="0"), "day 5: time_start"),
            (lambda e: times(e, "5")[0].pop("time_start"), "day 5: time_start"),
            (lambda e: times(e, "5").append([0, 1]), "day 5: times: must be an object"),
            (lambda e: block(e).update(scheduleJson="x"), "day 1: scheduleJson: must be an object"),
            (lambda e: block(e).update(dialModeCode=3), "block 1: dialModeCode: must be one of 1, 2, 21"),
            (lambda e: block(e).update(dialModeCode="1"), "dialModeCode: must be a whole number"),
            (lambda e: block(e).update(isActive=2), "block 1: isActive: must be one of 0, 1"),
            (lambda e: block(e).update(isActive=True), "isActive: must be a whole number, not bool"),
            (lambda e: block(e).update(redirectNums={}), None),
            (lambda e: block(e).update(redirectNums={"id": 1}), "redirectNums: must be a list"),
            (lambda e: redirect(e).update(isActive=2), "isActive"),
            (lambda e: redirect(e).update(isMlp=-1), "isMlp"),
            (lambda e: redirect(e).update(dialTime=91), "dialTime: 91: must be 0 to 90"),
            (lambda e: redirect(e).update(dialTime=90), None),
            (lambda e: redirect(e).update(dialTime=0), None),
            (lambda e: redirect(e).update(dialTime=1.5), "dialTime: must be a whole number"),
            (
                lambda e: redirect(e).update(num="+380670000200"),
                "redirectNums.num: 38067*****00: must be a Russian",
            ),
            (lambda e: redirect(e).update(num="123"), "redirectNums.num"),
            (lambda e: redirect(e).update(num=0), "redirectNums.num"),
            (lambda e: redirect(e).update(num=None), "redirectNums.num"),
            (lambda e: profile(e).update(isUseCalendar=2), "profile 11: isUseCalendar"),
            (lambda e: profile(e).update(isUseCalendar=1, workdayDefDay=7), None),
            (
                lambda e: profile(e).update(isUseCalendar=1, workdayDefDay=8),
                "workdayDefDay: 8: must be 1 to 7",
            ),
            (
                lambda e: profile(e).update(isUseCalendar=1, workdayDefDay=0),
                "workdayDefDay: 0: must be 1 to 7",
            ),
            (lambda e: profile(e).update(workdayDefDay=7), "workdayDefDay: may be set only with"),
            (lambda e: profile(e).update(workdayDefDay="0"), "workdayDefDay: may be set only with"),
            (lambda e: profile(e).pop("workdayDefDay"), None),
            (lambda e: profile(e).update(scheduleBlocks=[]), "scheduleBlocks: must be a list with at least"),
            (lambda e: profile(e).update(scheduleBlocks={}), "scheduleBlocks: must be a list"),
            (lambda e: e.update(profiles=[]), "profiles: must be a list with at least"),
            (lambda e: e.update(profiles={}), "profiles: must be a list"),
            (lambda e: e.update(num=None), "an entry without num"),
        ],
    )
    def test_rules(self, edit: Edit, expected: str | None) -> None:
        settings = edited(edit)
        if expected is None:
            assert len(checked(settings)) == 1
            return
        with pytest.raises(TelecomInputError) as caught:
            checked(settings)
        assert expected in str(caught.value)
        assert "9000000000" not in str(caught.value)

    def test_the_error_names_number_profile_and_day(self) -> None:
        with pytest.raises(TelecomInputError) as caught:
            checked(edited(lambda entry: times(entry, "6", 1).clear()))
        assert caught.value.field == "number 90000***00, profile 11, day 6"

    @pytest.mark.parametrize("settings", [[], "x", {}, [1], [vats(), vats()]])
    def test_what_is_no_list_of_settings(self, settings: Any) -> None:
        with pytest.raises(TelecomInputError, match="settings"):
            next(ScriptedApi().set_vats_settings(settings))

    @given(st.lists(st.integers(1, 86_399), unique=True, max_size=20), st.integers(0, 1))
    def test_any_cut_of_a_day_into_two_blocks_covers_it_once(self, cuts: list[int], first: int) -> None:
        edges = [0, *sorted(cuts), 86_400]
        spans = [{"time_start": a, "time_end": b} for a, b in pairwise(edges)]
        entry = vats()
        for place in (0, 1):
            times(entry, "3", place)[:] = spans[(place + first) % 2 :: 2]
        assert checked([entry])
        dropped = times(entry, "3", 0) or times(entry, "3", 1)
        dropped.pop()
        with pytest.raises(TelecomInputError, match="gap"):
            checked([entry])


def sample() -> Entry:
    """Return settings as the document's own sample shows them: all zeros, and no redirects in a block."""
    entry = vats(workdayDefDay=3)
    redirect(entry).update(num=0, name="string", isActive=0, dialTime=0)
    block(entry, 1).update(redirectNums=[], dialModeCode=0)
    for day in range(1, 8):
        times(entry, str(day), 1).append({"time_start": 0, "time_end": 0})
    return entry


class TestAsRead:
    """What was not edited may go back as the vendor shows it, whatever the rules say."""

    @pytest.mark.parametrize(
        "edit",
        [
            lambda e: redirect(e).update(dialTime=45),
            lambda e: redirect(e).update(num="+79001234567"),
            lambda e: block(e)["redirectNums"].append({**redirect(vats()), "id": 0}),
            lambda e: profile(e).update(isUseCalendar=1),
            lambda e: block(e, 1).update(dialModeCode=2),
            lambda e: e.update(new={"rate": 1}),
        ],
    )
    def test_row_45_the_documents_sample_with_one_edit(self, edit: Edit) -> None:
        (entry,) = [deepcopy(sample())]
        edit(entry)
        assert checked([entry], [sample()]) == [entry]
        with pytest.raises(TelecomInputError):
            checked([entry])

    @pytest.mark.parametrize(
        ("edit", "expected"),
        [
            (lambda e: redirect(e).update(num=1), "block 1: redirectNums.num"),
            (lambda e: redirect(e).update(num="0"), "block 1: redirectNums.num"),
            (lambda e: block(e)["redirectNums"].append(redirect(sample())), "block 1: redirectNums.num"),
            (lambda e: block(e).update(dialModeCode=0), "block 1: dialModeCode"),
            (lambda e: profile(e).update(workdayDefDay=4), "workdayDefDay: may be set only"),
            (lambda e: times(e, "2").append({"time_start": 5, "time_end": 5}), "day 2: the time 0-0 ends"),
            (lambda e: redirect(e).update(dialTime=91), "block 1: dialTime: 91"),
        ],
    )
    def test_an_edit_keeps_to_the_rules(self, edit: Edit, expected: str) -> None:
        entry = sample()
        edit(entry)
        with pytest.raises(TelecomInputError) as caught:
            checked([entry], [sample()])
        assert expected in str(caught.value)

    def test_an_unedited_day_may_stay_and_an_edited_one_is_checked(self) -> None:
        before = vats()
        times(before, "6", 1).clear()
        assert checked([redirected(before)], [before])
        after = deepcopy(before)
        times(after, "7", 1).clear()
        with pytest.raises(TelecomInputError, match="day 7: times leave a gap"):
            checked([after], [before])

    def test_times_that_end_with_their_last_second(self) -> None:
        """Where the vendor's own times are 0 to 32399 and 32400 to 86399, so may be those of an edit."""
        before = vats()
        for each in profile(before)["scheduleBlocks"]:
            for day in each["scheduleJson"]["schedule"]["days"].values():
                for time in day["times"]:
                    time["time_end"] -= 1
        after = deepcopy(before)
        times(after, "1")[0]["time_end"] = 71_999
        times(after, "1", 1)[1]["time_start"] = 72_000
        assert checked([after], [before]) == [after]
        times(after, "1", 1)[1]["time_start"] = 72_001
        with pytest.raises(TelecomInputError, match="day 1: times leave a gap between 71999 and 72001"):
            checked([after], [before])
        with pytest.raises(TelecomInputError, match="day 1: times leave a gap between 32399 and 32400"):
            checked([before], [vats()])

    @pytest.mark.parametrize("key", ["vatsSettings", "vatssettings"])
    def test_the_list_goes_back_under_the_name_that_it_came_with(self, key: str) -> None:
        new = redirected(vats())
        requests, _ = asked(ScriptedApi().set_vats_settings([new]), enveloped(**{key: [vats()]}), enveloped())
        assert sent(requests[1]) == {key: [new]}

    @pytest.mark.parametrize("num", ["89000000000", "+79000000000", 79000000000])
    def test_a_number_is_requested_by_ten_digits_however_it_is_shown(self, num: Any) -> None:
        shown_as = {**vats(), "num": num}
        requests, _ = asked(
            ScriptedApi().set_vats_settings([redirected(shown_as)]), shown(shown_as), enveloped()
        )
        assert sent(requests[0]) == {"nums": ["9000000000"]}
        assert sent(requests[1])["vatsSettings"][0]["num"] == num

    @pytest.mark.parametrize(
        "odd",
        [
            {"profiles": None},
            {"profiles": []},
            {"profiles": [None]},
            {"profiles": {"11": {}}},
            {"profiles": [{"id": 11}]},
            {"profiles": [{"id": 11, "scheduleBlocks": {"1": {}}}]},
            {"profiles": [{"id": 11, "scheduleBlocks": ["x"]}]},
            {"profiles": [{"id": 11, "scheduleBlocks": [{"scheduleJson": None}]}]},
            {"profiles": [{"id": 11, "scheduleBlocks": [{"id": 1, "redirectNums": ["x", None]}]}]},
            {"profiles": [{"id": [1], "scheduleBlocks": [{"id": {}, "redirectNums": {"id": 1}}]}]},
        ],
    )
    def test_settings_of_an_odd_form_go_back_as_they_are(self, odd: Entry) -> None:
        entry = {**vats(), **odd}
        edited_entry = {**deepcopy(entry), "new": 1}
        requests, _ = asked(
            ScriptedApi().set_vats_settings([edited_entry], expected_hash=settings_hash([entry])),
            shown(entry),
            enveloped(),
        )
        assert sent(requests[1]) == {"vatsSettings": [edited_entry]}
        assert differences([vats()], [entry])

    def test_odd_times_are_distinguished(self) -> None:
        (one,), (two,) = (
            edited(lambda e: times(e, "1").append([1])),
            edited(lambda e: times(e, "1").append("x")),
        )
        assert differences([one], [two]) == ["number 90000***00, profile 11, block 1, day 1: times"]


def redirected(entry: Entry) -> Entry:
    """Return settings with an edit."""
    new = deepcopy(entry)
    redirect(new).update(dialTime=45)
    return new


class TestHash:
    def test_the_order_of_fields_does_not_matter_and_everything_else_does(self) -> None:
        turned = json.loads(json.dumps(vats()), object_pairs_hook=lambda pairs: dict(reversed(pairs)))
        assert settings_hash([turned]) == settings_hash([vats()])
        assert settings_hash(edited(lambda entry: redirect(entry).update(dialTime=31))) != settings_hash([
            vats()
        ])
        assert settings_hash([vats(), vats("9000000001")]) != settings_hash([vats("9000000001"), vats()])


class TestWorkday:
    """workdayDefDay may be set only with isUseCalendar = 1; what the vendor has there may stay."""

    @pytest.mark.parametrize("was", [0, 1])
    def test_what_the_vendor_shows_may_stay_without_a_hash_too(self, was: int) -> None:
        call = ScriptedApi().set_vats_settings([vats(workdayDefDay=1)])
        if was:
            requests, _ = asked(call, shown(vats(workdayDefDay=1)), enveloped())
            assert [request.path for request in requests] == [READ, SET]
            return
        with pytest.raises(TelecomInputError, match="profile 11: workdayDefDay: may be set only with"):
            asked(call, shown(vats()))

    @pytest.mark.parametrize(
        ("workday", "uses", "fits"), [(3, 0, True), (0, 0, True), (4, 0, False), (4, 1, True)]
    )
    def test_after_a_read_it_can(self, workday: int, uses: int, fits: bool) -> None:
        before, new = vats(workdayDefDay=3), vats(workdayDefDay=workday, isUseCalendar=uses)
        redirect(new).update(dialTime=45)
        call = ScriptedApi().set_vats_settings([new], expected_hash=settings_hash([before]))
        if fits:
            assert [request.path for request in asked(call, shown(before), enveloped())[0]] == [READ, SET]
            return
        with pytest.raises(TelecomInputError, match="number 90000\\*\\*\\*00, profile 11: workdayDefDay"):
            asked(call, shown(before))


def with_vip() -> dict[str, Any]:
    """Return settings with a second profile, in which a number is written in another form."""
    entry = vats()
    entry["profiles"].append(deepcopy({**profile(entry), "id": 12, "workdayDefDay": 3}))
    for each in entry["profiles"][1]["scheduleBlocks"]:
        each["redirectNums"][0]["num"] = "89001234567"
    return entry


class TestDifferences:
    @pytest.mark.parametrize(
        ("edit", "where"),
        [
            (lambda e: redirect(e).update(num=9001234568), "profile 11, block 1, redirect 1: num"),
            (lambda e: redirect(e).update(name="x"), "profile 11, block 1, redirect 1: name"),
            (lambda e: redirect(e).update(id=2), "profile 11, block 1, redirect 1: id"),
            (lambda e: block(e)["redirectNums"].clear(), "profile 11, block 1: redirectNums"),
            (lambda e: block(e)["redirectNums"].append({}), "profile 11, block 1: redirectNums"),
            (lambda e: block(e).update(dialModeCode=2), "profile 11, block 1: dialModeCode"),
            (lambda e: times(e, "6", 1).clear(), "profile 11, block 2, day 6: times"),
            (lambda e: times(e, "1")[0].update(time_end=1), "profile 11, block 1, day 1: times"),
            (lambda e: block(e).update(scheduleJson=None), "profile 11, block 1: scheduleJson"),
            (lambda e: profile(e).update(isUseCalendar=1), "profile 11: isUseCalendar"),
            (lambda e: profile(e)["scheduleBlocks"].pop(), "profile 11: scheduleBlocks"),
            (lambda e: e.update(new={"a": 1}), ", new: a"),
            (lambda e: e["profiles"].clear(), ": profiles"),
            (lambda e: e.update(num="9000000001"), ": profiles"),
        ],
    )
    def test_each_is_named(self, edit: Edit, where: str) -> None:
        wanted = {**vats(), "new": {"a": 2}}
        (found,) = edited(edit)
        assert any(place.endswith(where) for place in differences([wanted], [{"new": {"a": 2}, **found}]))
        assert "9000000000" not in str(differences([wanted], [found]))

    @pytest.mark.parametrize(
        "edit",
        [
            lambda e: redirect(e).update(num="+79001234567"),
            lambda e: block(e).update(dialModeTerm="x"),
            lambda e: e.update(vatsModeTerm="x", new=1),
            lambda e: times(e, "1", 1).reverse(),
            lambda e: profile(e)["scheduleBlocks"].reverse(),
        ],
    )
    def test_the_vendors_own_ways_are_none(self, edit: Edit) -> None:
        assert differences([vats()], edited(edit)) == []

    def test_a_new_redirect_number_gets_an_id_from_the_vendor(self) -> None:
        wanted = edited(lambda entry: redirect(entry).update(id=0))
        assert differences(wanted, [vats()]) == []
        assert differences([vats()], wanted) != []

    def test_numbers_are_distinguished(self) -> None:
        both = [vats(), vats("9000000001")]
        assert differences(both, both[::-1]) == []
        assert differences(both, both[:1])

    def test_many_are_summarized(self) -> None:
        assert summarize([f"p{place}" for place in range(12)]).endswith("p9 and 2 more")


class TestSet:
    hash = settings_hash([vats()])
    new = edited(lambda entry: redirect(entry).update(dialTime=45))

    def outcome(self, *answers: Any, **given: Any) -> tuple[list[str], Any]:
        requests, result = asked(ScriptedApi().set_vats_settings(self.new, **given), *answers)
        return [request.path for request in requests], result

    def test_what_is_sent(self) -> None:
        (_, request), done = asked(ScriptedApi().set_vats_settings(self.new), shown(vats()), enveloped())
        assert (request.method, request.path, sent(request)) == ("POST", SET, {"vatsSettings": self.new})
        assert request.idempotency is Idempotency.SET_STATE
        assert done.result == ABOUT

    def test_without_a_hash_an_unknown_outcome_stays_one(self) -> None:
        call = ScriptedApi().set_vats_settings(self.new)
        next(call)
        call.send(shown(vats()))
        with pytest.raises(TelecomUnknownError):
            call.send(Unknown("reset"))

    @pytest.mark.parametrize("expected", [None, hash])
    def test_they_are_read_first(self, expected: str | None) -> None:
        requests, _ = asked(
            ScriptedApi().set_vats_settings(self.new, expected_hash=expected), shown(vats()), enveloped()
        )
        assert [request.path for request in requests] == [READ, SET]
        assert sent(requests[0]) == {"nums": ["9000000000"]}

    def test_settings_that_have_changed_since_are_refused_before_anything_is_set(self) -> None:
        call = ScriptedApi().set_vats_settings(self.new, expected_hash=self.hash)
        next(call)
        other = edited(lambda entry: redirect(entry).update(dialTime=1))
        with pytest.raises(TelecomRejectedError, match="have changed since they were read"):
            call.send(shown(*other))

    def test_nothing_is_sent_when_they_are_so_already(self) -> None:
        already = deepcopy(self.new)
        block(already[0]).update(dialModeTerm="another text for the same code")
        paths, done = self.outcome(shown(*already), expected_hash=self.hash)
        assert (paths, done.result) == ([READ], ABOUT)

    def test_a_refusal_names_what_was_edited(self) -> None:
        refused = answer({"error": {"errorMessage": "VIP", "errorCode": 12}, "result": ABOUT})
        with pytest.raises(TelecomRejectedError) as caught:
            self.outcome(shown(vats()), refused, expected_hash=self.hash)
        assert "VIP; edited were number 90000***00, profile 11, block 1, redirect 1: dialTime" in str(
            caught.value
        )
        assert caught.value.code == "12"

    def test_profiles_that_were_not_edited_go_back_to_the_letter(self) -> None:
        before = with_vip()
        new = deepcopy(before)
        redirect(new).update(dialTime=45)
        requests, _ = asked(
            ScriptedApi().set_vats_settings([new], expected_hash=settings_hash([before])),
            shown(before),
            enveloped(),
        )
        first, vip = sent(requests[1])["vatsSettings"][0]["profiles"]
        assert first["scheduleBlocks"][0]["redirectNums"][0]["dialTime"] == 45
        assert vip == before["profiles"][1]

    def test_unknown_and_nothing_has_happened_so_it_is_repeated_once(self) -> None:
        lost = (shown(vats()), Unknown("reset"), shown(vats()), enveloped())
        paths, done = self.outcome(*lost, expected_hash=self.hash)
        assert (paths, done.result) == ([READ, SET, READ, SET], ABOUT)

    def test_unknown_and_it_has_happened(self) -> None:
        lost = (shown(vats()), Unknown("reset"), shown(*self.new))
        paths, done = self.outcome(*lost, expected_hash=self.hash)
        assert (paths, done.result) == ([READ, SET, READ], ABOUT)

    def test_unknown_and_something_else_stands_there(self) -> None:
        other = edited(lambda entry: redirect(entry).update(dialTime=1))
        with pytest.raises(TelecomUnknownError):
            self.outcome(shown(vats()), Unknown("reset"), shown(*other), expected_hash=self.hash)

    def test_unknown_and_the_vendor_writes_it_in_its_own_way(self) -> None:
        theirs = deepcopy(self.new)
        block(theirs[0]).update(dialModeTerm="their text")
        redirect(theirs[0]).update(num="+79001234567")
        paths, _ = self.outcome(shown(vats()), Unknown("reset"), shown(*theirs), expected_hash=self.hash)
        assert paths == [READ, SET, READ]

    def test_unknown_twice(self) -> None:
        lost = (shown(vats()), Unknown("reset"), shown(vats()), Unknown("reset"))
        with pytest.raises(TelecomUnknownError):
            self.outcome(*lost, expected_hash=self.hash)
