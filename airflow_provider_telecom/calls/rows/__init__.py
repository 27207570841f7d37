"""Strict readers of CSV, JSON and XML files of any size, one record at a time.

Each function reads its file from the beginning with `read`, `readline` and `seek`, and holds about one record
in memory. An unusable record is yielded as a `BadRow`, and reading continues. If it is unclear where records
begin and end, as in a truncated file or after an unclosed quotation mark, TelecomAnswerError is raised. No
error and no `BadRow.reason` contains anything of the file.
"""

from airflow_provider_telecom.calls.rows.alike import LikeRecords
from airflow_provider_telecom.calls.rows.csv_file import ENCODINGS, csv_rows
from airflow_provider_telecom.calls.rows.json_file import json_metadata, json_pieces, json_rows
from airflow_provider_telecom.calls.rows.record import BadRow, NumberedRow, all_rows
from airflow_provider_telecom.calls.rows.xml_file import xml_metadata, xml_pieces, xml_rows

__all__ = [
    "ENCODINGS",
    "BadRow",
    "LikeRecords",
    "NumberedRow",
    "all_rows",
    "csv_rows",
    "json_metadata",
    "json_pieces",
    "json_rows",
    "xml_metadata",
    "xml_pieces",
    "xml_rows",
]
