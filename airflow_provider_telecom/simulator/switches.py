"""One switch for each place where a vendor's document allows more than one reading.

A switch starts with its first value. A preset sets all switches: `default` to the first value, `opposite` to
the last one, `random` to one that the simulator's seed chooses. A client is correct only if it works with
all values; the conformance tests run with `default` and `opposite`.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal, get_args

Preset = Literal["default", "opposite", "random"]
PRESETS: tuple[Preset, ...] = get_args(Preset)


@dataclass(frozen=True)
class Switch:
    """A switch. `meaning` says what its values do, and which lines of the document leave it open."""

    vendor: str
    name: str
    meaning: str
    values: tuple[str, ...] = ("off", "on")
    in_presets: bool = True
    """False if no client can use the response with another value: a correct client must stop."""

    @property
    def full_name(self) -> str:
        """The name with its vendor, such as `ketchup_loyalty.bare_read`."""
        return f"{self.vendor}.{self.name}"

    def value_under(self, preset: Preset, seed: int) -> str:
        """Return the value that a preset gives to this switch."""
        if preset == "default" or not self.in_presets:
            return self.values[0]
        if preset == "opposite":
            return self.values[-1]
        return random.Random(f"{seed}-{self.full_name}").choice(self.values)


class Switches(Mapping[str, str]):
    """The switches of one vendor: current values by name, without the vendor."""

    def __init__(self, switches: Iterable[Switch], preset: Preset, seed: int) -> None:
        self._known = {switch.name: switch for switch in switches}
        self._values = {switch.name: switch.value_under(preset, seed) for switch in self._known.values()}

    def __getitem__(self, name: str) -> str:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def set(self, name: str, value: str) -> None:
        """Set a switch. Raises ValueError for an unknown name or value."""
        if name not in self._known:
            raise ValueError(f"no switch {name}; there are {', '.join(self._known) or 'none'}")
        allowed = self._known[name].values
        if value not in allowed:
            raise ValueError(f"{self._known[name].full_name} must be one of {', '.join(allowed)}")
        self._values[name] = value

    def on(self, name: str) -> bool:
        """Return whether a switch with the values `off` and `on` is on."""
        return self[name] == "on"

    def turn_on(self, *names: str) -> None:
        """Turn on switches with the values `off` and `on`."""
        for name in names:
            self.set(name, "on")


def of_vendor(vendor: str) -> list[Switch]:
    """Return the switches of one vendor."""
    return [switch for switch in SWITCHES if switch.vendor == vendor]


_kyivstar = partial(Switch, "kyivstar_open_telecom")
_ketchup = partial(Switch, "ketchup_loyalty")
_fmc = partial(Switch, "kyivstar_fmc")
_sunsim = partial(Switch, "sunsim")
_novaconnect = partial(Switch, "novaconnect")

SWITCHES = (
    # Kyivstar Open Telecom. Its document (KY) shows no bodies; lines are those that leave a form open.
    _kyivstar(
        "resource",
        "responses are flat, or wrapped in `resource`: those of the checks only, as in v1, or all",
        ("off", "checks", "on"),
    ),
    _kyivstar("late_status", "error 1040 instead of a status until a message is delivered"),
    _kyivstar("error_code", "`errorCode` is a number, or a text of more digits", ("number", "text")),
    _kyivstar(
        "no_message",
        "HTTP status of error 1040 for a message: KY:289 and 423 name 200 and 401 only",
        ("404", "422", "200"),
    ),
    _kyivstar(
        "no_subscriber",
        "HTTP status for a number that is no subscriber's (KY:112 and 113): 404, or 422 with code 1040",
        ("404", "422"),
    ),
    _kyivstar(
        "unauthorized",
        "body of a 401: the gateway's `error.message`, or the vendor's `errorCode`",
        ("gateway", "vendor"),
    ),
    _kyivstar(
        "unknown_address",
        "404 of a path that does not exist: the vendor's error form, or a gateway's page",
        ("vendor", "gateway"),
    ),
    _kyivstar("status_case", "case of statuses and other words", ("found", "swapped")),
    _kyivstar("numbers", "counts, scores and seconds are numbers, or texts", ("number", "text")),
    _kyivstar("flags", "yes and no of verify-sim: KY:95 has 1 and 0", ("number", "text", "boolean")),
    _kyivstar(
        "device_answer",
        "device-check answers what was asked for, or always `imeiRes` and `imeiCount`, as public tests show",
        ("asked", "both"),
    ),
    _kyivstar("score_fraction", "a score is a fraction: KY:321 has a score without a range"),
    _kyivstar(
        "lifetime_unit",
        "bounds of a lifetime: months, or days, since KY:210 has the last 30 days",
        ("months", "days"),
    ),
    _kyivstar("id_spelling", "name of an SMS's id", ("msgId", "msgID")),
    _kyivstar("date_form", "RFC 3339 (KY:289) in UTC, or with an offset", ("utc", "offset")),
    _kyivstar(
        "expired",
        "a message that never arrives stays `accepted`, gets a state that nobody knows, becomes `expired` "
        "and is delivered after all, or becomes `expired`",
        ("off", "unknown", "late", "on"),
    ),
    _kyivstar(
        "mock_status",
        "the mock server has a status for any message id (KY:69), as public tests expect, or for its own",
        ("on", "off"),
    ),
    _kyivstar(
        "v1_resource",
        "API v1: responses are wrapped in `resource`: those of the checks only, all, or none",
        ("checks", "all", "none"),
    ),
    _kyivstar(
        "check_period",
        "API v1: unit of `checkPeriod`, which public clients do not tell",
        ("hours", "days"),
    ),
    _kyivstar(
        "batch_errors",
        "API v1: an SMS of a batch that is wrong is refused alone, or with the whole batch",
        ("item", "whole"),
    ),
    _kyivstar(
        "batch_names",
        "API v1: the names of SMS are for their batch, or one that was used before is taken for a duplicate",
        ("batch", "account"),
    ),
    _kyivstar("new_state", "API v1: a multichannel or RCS message passes a state that nobody knows"),
    _kyivstar(
        "channel_reports",
        "API v1: a multichannel message's status names its channel and reports on each, the channel only, or "
        "the reports only",
        ("both", "channel", "reports"),
    ),
    _kyivstar("tarification_units", "paid calls say what they cost in a header, or do not", ("on", "off")),
    _kyivstar("viber_button_picture", "a Viber button takes a picture (KY:377), as public clients send"),
    _kyivstar(
        "first_page",
        "number of the first page (KY:472): 0; or 1, and 0 is the same page, an empty one, or refused",
        ("0", "1", "1_empty", "1_refused"),
    ),
    _kyivstar("promo_totals", "a page of promos has totals, or none", ("given", "missing")),
    _kyivstar(
        "promo_answer",
        "GET and PUT of a promo answer the whole, or its state and the next ones only (KY:499 and 564)",
        ("whole", "state"),
    ),
    _kyivstar(
        "list_dates",
        "`startDateFrom` (KY:473) is a day or a time, or a day only, so that a time is refused",
        ("any", "day"),
        in_presets=False,
    ),
    _kyivstar("one_token", "a new token ends the older ones (KY:53 does not say)"),
    _kyivstar("sandbox_over", "HTTP status when the sandbox is used up (KY:82)", ("429", "403")),
    _kyivstar(
        "rate_limit_reset",
        "X-Rate-Limit-Reset: seconds, an HTTP date, or Unix time in seconds or milliseconds",
        ("seconds", "http_date", "epoch", "epoch_ms"),
    ),
    # KetchUp Loyalty. KU is its document.
    _ketchup("alternative_sms", "statistics show the SMS that replaced a Viber message (KU:731)"),
    _ketchup("bare_read", "the response to a read has no `error: 0` (KU:11; KU:413 has it)"),
    _ketchup(
        "base_path",
        "/rest stands before all addresses (KU:8), before none, or before all but those of lookups "
        "(KU:21, KU:122, KU:154; KU:205)",
        ("rest", "bare", "mixed"),
    ),
    _ketchup("capital_status", "statuses are capitalised (KU:578, KU:615), or not (KU:374)"),
    _ketchup("csv_semicolon", "columns of a CSV file are divided by `;`: KU shows no such file"),
    _ketchup(
        "delete_at_stat_list",
        "exports are deleted at /stat/list/{key}, as they are listed (KU:766), not at /message/list (KU:760)",
    ),
    _ketchup(
        "duplicates",
        "a known key is refused for its message alone, with the whole request if it has one message, or "
        "always with the whole (KU:98 shows the first, for lookups; 23 and 43 are not shown)",
        ("item", "whole_of_one", "whole"),
    ),
    _ketchup(
        "error_status",
        "an error has HTTP status 200, a status that fits its code, or 400; KU names none",
        ("200", "by_code", "400"),
    ),
    _ketchup(
        "error_text",
        "`errorDescription` is English, as in the samples, or Russian, as in the appendix (KU:775-824)",
        ("english", "russian"),
    ),
    _ketchup(
        "hlr_body",
        "lookups are read as a multipart form or JSON under its content type (KU:24, KU:35, KU:56-60), "
        "as one of the two only, in any format, or as JSON only; everything else is refused with 64",
        ("multipart", "form", "raw", "any", "json"),
    ),
    _ketchup(
        "hlr_example_codes",
        "errors of lookups are 10, 11, 13, 14 (KU:52, KU:95, KU:103, KU:186), not 60 to 66 (KU:791)",
    ),
    _ketchup(
        "hlr_first_status",
        "a lookup without a result is `sent` (KU:180), or `unknown` of the time of its order (KU:170-173)",
        ("sent", "unknown"),
    ),
    _ketchup(
        "individual_destination",
        '`destination` of individual SMS (KU:303, or "phones" in KU:318)',
        ("individual", "phones"),
    ),
    _ketchup("key_object", "the key of an export comes as an object (KU:586)"),
    _ketchup(
        "keys",
        "keys of SMS may have `_` (KU:370), and those of lookups and Viber messages are not limited (KU:39, "
        "KU:480), or as the text says for SMS: a-z A-Z 0-9 (KU:225), for Viber messages `_` too (KU:458)",
        ("samples", "text"),
    ),
    _ketchup(
        "list_of_exports",
        "the kept exports, which KU does not show, are objects in a list, names in a list, or named objects",
        ("objects", "names", "named"),
    ),
    _ketchup("messages_key", "`result` and `messages` change places (KU:99, KU:489)"),
    _ketchup(
        "number_code",
        "a wrong number is 21 for SMS and 41 for Viber (KU:800, KU:816), or 11 (KU:239, KU:491)",
        ("own", "example"),
    ),
    _ketchup("no_id", "the status of an SMS has no id (KU:413; KU:368 has it)"),
    _ketchup("numbers", "codes, ids, amounts and counts are numbers (KU:390), not texts (KU:421)"),
    _ketchup(
        "changing_receipts",
        "receipts change: an SMS to a number that ends in 6 is undelivered and then delivered, in 5 the "
        "other way round; KU says of no status that it is final",
        in_presets=False,
    ),
    _ketchup(
        "late_receipts",
        "the receipt of a number that ends in 7 takes ten times as long; KU gives no time",
        in_presets=False,
    ),
    _ketchup(
        "new_status",
        "a message to a number that ends in 3 gets a status that is not in KU's list (KU:578): `filtered`",
        in_presets=False,
    ),
    _ketchup(
        "period_end",
        "the period of an export may end in the future, or is then refused with 86 (KU:834)",
        ("any", "past"),
        in_presets=False,
    ),
    _ketchup(
        "statistics_missing",
        "messages to numbers that end in 4 are in all exports, in none by period, or in none: KU does not "
        "say how soon statistics have a message",
        ("none", "by_period", "all"),
        in_presets=False,
    ),
    _ketchup("price_refuses_known", "the price calls refuse known keys, as sending does (KU:405)"),
    _ketchup(
        "reference_path",
        "lookups, SMS and tasks are found at addresses of their own, such as "
        "/sms/reference/{reference} (KU:158, KU:410, KU:418), or at the one for ids (KU:159, KU:358, "
        "KU:360)",
        ("explicit", "shared"),
    ),
    _ketchup(
        "sending_time",
        "`send_time` or `scheduledDatetime`: by destination (KU:218, KU:258, KU:315), or the one for all",
        ("by_destination", "send_time", "scheduledDatetime"),
    ),
    _ketchup("single_result", "a single result is nested in `result` or `messages`, without a list"),
    _ketchup("statistics_list", "a JSON file is a list alone, without `message_data`, as in KU:601"),
    _ketchup(
        "statistics_push",
        "statistics are posted with all messages in one post, as in the file, or each by itself (KU:757)",
        ("file", "rows"),
    ),
    _ketchup("status_401", "an unknown API key is answered with HTTP status 401"),
    _ketchup("stray_blanks", "keys and values have stray blanks (KU:104, KU:132, KU:413, KU:421)"),
    _ketchup("total_price", "`totalprice` and `total_price` change places (KU:112, KU:489)"),
    _ketchup(
        "typographic_quotes",
        "statistics in JSON have typographic quotes, as in the sample: not JSON",
        in_presets=False,
    ),
    _ketchup(
        "undelivered_word",
        "an SMS that does not arrive is `undeliverable` (KU:395) or `undelivered` (KU:578)",
        ("undeliverable", "undelivered"),
    ),
    _ketchup(
        "viber_echo",
        "the answer to Viber messages holds our keys: all, none, or that of the first (KU:489, the sample)",
        ("all", "never", "first"),
    ),
    _ketchup("viber_item_error", "each Viber result has an `error` of its own, as SMS have (KU:279)"),
    _ketchup(
        "viber_many",
        "the answer to Viber messages is a list with an object for each, or with one for all: KU:489 answers "
        "one message",
        ("list", "one"),
    ),
    _ketchup(
        "viber_message_error",
        "a wrong text, sender or option (45, 46, 49) refuses its Viber message only, not the whole request "
        "(KU:490)",
    ),
    _ketchup(
        "viber_number",
        "the number of a Viber recipient is `msisdn` (KU:458), or `phone` (KU:480)",
        ("msisdn", "phone"),
    ),
    _ketchup("viber_object", "the answer to Viber messages is an object, not a list with one (KU:489)"),
    _ketchup("viber_reference", "Viber's key is `reference` (KU:489, KU:503), not `external_id`"),
    _ketchup("viber_strict", "the other name of Viber's key is refused, not ignored"),
    _ketchup(
        "webhook_type",
        'the content type of posts: JSON, or none: KU:193 and KU:757 say "HTTP RAW POST"',
        ("json", "none"),
    ),
    # Kyivstar FMC. Its document (FMC) shows one answer in JSON, none in CSV or XML.
    _fmc("trailing_comma", "JSON has a trailing comma, as in the sample (FMC:137)"),
    _fmc("csv_delimiter", "what is between cells (FMC:27)", ("comma", "tab", "semicolon")),
    _fmc("csv_line_end", "lines of CSV end with a delimiter, as the sample in JSON with a comma"),
    _fmc("csv_quotes", "cells in quotation marks: those that need them, or all", ("needed", "all")),
    _fmc("empty_csv", "CSV without calls: a header, or nothing at all", ("header", "nothing")),
    _fmc("bom", "CSV and XML begin with a byte order mark"),
    _fmc("columns", "order of a record's fields: the sample's, or reversed", ("sample", "reversed")),
    _fmc("column_case", "case of names in CSV and XML", ("lower", "upper")),
    _fmc("xml_tags", "names of the root and the records", ("calls", "others")),
    _fmc("xml_attributes", "a record of XML has attributes instead of elements"),
    _fmc("answer_time", "times as in the sample (FMC:133), or as in a request (FMC:49)", ("blank", "T")),
    _fmc(
        "duration",
        "`duration` (FMC:136): seconds from start to end and one more, as in the sample; as they are; "
        "or those of the talk only",
        ("rounded_up", "exact", "talk"),
    ),
    _fmc("json_duration", "`duration` in JSON is a number, or a text", ("number", "text")),
    _fmc(
        "number_form",
        "numbers in records: the three forms of FMC:255",
        ("national", "international", "plus"),
    ),
    _fmc("address_book", "names of the fields that FMC:67, 75 and 83 add", ("assumed", "others")),
    _fmc("row_order", "order of the calls", ("start", "reversed")),
    _fmc("period_of", "calls that began in the period (FMC:51), or that ended in it", ("start", "end")),
    _fmc("end_excluded", "a period does not include its end (FMC:59)"),
    _fmc("bounds_required", "both bounds are required (FMC:47, 55), though FMC:110 says otherwise"),
    _fmc(
        "limits",
        "7 and 30 days (FMC:108, 109): an hour is ignored, counted as they pass, or by the clocks",
        ("lenient", "elapsed", "clocks"),
    ),
    _fmc(
        "repeated_hour",
        "a bound in the hour that happens twice (FMC:107): compared by the clocks, or taken for one pass",
        ("clocks", "first", "second"),
    ),
    _fmc(
        "unanswered",
        "a call to a number that ends in 9 is not answered. Its record (FMC:31 does not say that it has one) "
        "has a duration without the ringing or with it, or there is none",
        ("off", "talk", "ringing", "absent"),
        in_presets=False,
    ),
    _fmc("error_body", "body of an error (FMC:93): JSON, a text, or none", ("json", "text", "none")),
    _fmc(
        "csv_encoding",
        "encoding of CSV; the operator takes it as an option",
        ("utf-8", "cp1251"),
        in_presets=False,
    ),
    # SunSim
    _sunsim(
        "token_dates",
        "how the end of a token is written, which lines 57 and 95 call a string and a date: ISO 8601, "
        "the vendor's time as in line 170, Unix seconds or milliseconds, the seconds that are left, or "
        "dotted",
        ("iso", "local", "epoch", "epoch_ms", "seconds", "dotted"),
    ),
    _sunsim("opaque_tokens", "tokens are no JWT"),
    _sunsim("create_keeps", "create leaves the pair before it alive: line 28 speaks of a regeneration"),
    _sunsim(
        "error_status",
        "HTTP status of a rejection (lines 190 to 193 give a code and no status) and of a dead token",
        ("200_but_401", "always_200", "4xx"),
    ),
    _sunsim(
        "success_error",
        "`error` of a success: the code 0, the code 0 with a text, or null (line 192 explains no code)",
        ("zero", "text", "null"),
    ),
    _sunsim(
        "callback_answer",
        "what callback/create answers, which the document does not show",
        ("envelope", "empty", "id"),
    ),
    _sunsim(
        "strict_filters",
        'direction and isCallRecord must be numbers: lines 172 and 178 allow "empty" or 0; null, others only',
    ),
    _sunsim(
        "period_limit",
        'what "search depth: 1 month" (line 157) limits: how long a period is, and how far back it begins',
        ("both", "length", "depth"),
    ),
    _sunsim("month", "how long a month is", ("31_days", "calendar", "30_days")),
    _sunsim("no_calls_null", "the list of calls is null when there are none, and a count is 0"),
    _sunsim("content_in_result", "fileContent stands inside of result, not beside it"),
    _sunsim("wrapped_base64", "the base64 of a recording has a line break after 76 characters"),
    _sunsim("hostile_file_name", "a recording's name leads out of its folder"),
    _sunsim("plain_redirects", "redirect numbers are kept as ten digits"),
    _sunsim(
        "sample_settings",
        "settings are as in the sample of lines 244 to 361: a redirect number 0, a block without "
        "redirects, times 0 to 0, dialModeCode 0, a workdayDefDay without isUseCalendar; what was read "
        "may be sent back",
    ),
    _sunsim(
        "last_seconds",
        "a time in settings ends with its last second (0 to 32399, then 32400 to 86399): line 371 "
        "forbids gaps and does not say whether the end belongs to the time",
    ),
    _sunsim(
        "settings_key",
        "the list of settings is called vatsSettings (lines 250 and 384) or vatssettings (line 367)",
        ("vatsSettings", "vatssettings"),
    ),
    _sunsim("long_numbers", "settings show their number with the 8 in front (line 335 gives no form)"),
    _sunsim("end_excluded", "a period does not include its end"),
    _sunsim(
        "future_refused",
        "a period that ends in the future is refused: line 171 does not say that it may",
        in_presets=False,
    ),
    _sunsim(
        "unanswered",
        "a callback to a number that ends in 9 is not answered. Its row (line 157 does not say that it has "
        "one) has a duration without the ringing or with it, or there is none",
        ("off", "talk", "ringing", "absent"),
        in_presets=False,
    ),
    _sunsim(
        "callback_row",
        "the row of a callback, which line 190 does not show, has PhoneFrom or PhoneTo as the caller",
        ("phone_from", "phone_to"),
        in_presets=False,
    ),
    _sunsim("other_columns", "rows of a call list have names and times of another kind"),
    # NovaConnect
    _novaconnect(
        "http_status",
        "the HTTP status of an error, which no line gives: 200 but 401 for a bad token, always 200, or "
        "equal to its code",
        ("200_but_401", "always_200", "code"),
    ),
    _novaconnect("bare_errors", 'an error is `{"error": text}` without a code; its HTTP status tells'),
    _novaconnect(
        "page_size",
        "pages are as long as asked for, or 25 rows at most (no line gives a maximum); the next begins "
        "at the next row, or at a multiple of the size that was asked for",
        ("asked", "capped", "rows_capped"),
    ),
    _novaconnect(
        "past_the_end",
        "what a page behind the last one is: empty, the last one again, or code 404",
        ("empty", "last_page", "not_found"),
    ),
    _novaconnect(
        "all_count",
        'all_count counts the elements (line 490: "in the database") that pass the filter, or all of them',
        ("filtered", "whole"),
    ),
    _novaconnect(
        "flat",
        "item and the items of reports stand beside code, as in the table of line 1463, not in `result`",
    ),
    _novaconnect("numbers_as_text", "numbers come as texts, as line 1227 has it for one of them"),
    _novaconnect("flags_as_numbers", "true and false come as 1 and 0"),
    _novaconnect("report_end_excluded", "a report ends before its end day (line 1195)"),
    _novaconnect(
        "rename_queued",
        "sim/edit is put into the queue, as line 1009 says, and answers a queue_id instead of the name",
    ),
    _novaconnect(
        "reconnect_redirect",
        "sim/reconnect answers an HTTP redirect to sim/disconnect: line 595 says that it is redirected",
        in_presets=False,
    ),
    _novaconnect(
        "callbacks_listed",
        "only the operations that line 303 lists call back: not sms, limit, tariff and repackage",
        in_presets=False,
    ),
    _novaconnect("block_over_package", "a SIM whose package ran out can be blocked as well"),
    _novaconnect(
        "groups_added",
        "sim/group adds groups to those of a SIM, instead of replacing them: lines 1034 and 1057 say "
        '"change" and "attach"',
    ),
    _novaconnect(
        "no_groups",
        "how sim/group says that a SIM is in no group (both lists are optional): without lists or with an "
        "empty one, without lists only, or with an empty list only",
        ("either", "left_out", "empty_list"),
    ),
    _novaconnect("progress_callbacks", "webhooks report progress before the end"),
    _novaconnect("single_item", "`items` of a webhook is the SIM that was processed last"),
    _novaconnect("count_object", "`status.count` of a webhook is an object"),
    _novaconnect(
        "balance_comma",
        "balances are written as `152 300,50 ₸`, not `152300.50 ₸`: line 256 names a sign, and no form",
    ),
    _novaconnect("limit_float", "`limit.used` is a fraction"),
    _novaconnect("change_lock_bool", "`change_lock` is true or false, not 1 or 0"),
)
