"""Records out of files of any size: CSV, JSON and XML, one at a time, strict and bounded.

Every function reads its file from the beginning, needs `read`, `readline` and `seek` of it, and holds about
one record at a time. A record that cannot be used comes as a `BadRow`, and reading goes on. Where nobody
could tell what is a record, TelecomAnswerError is raised: a file that is broken off, a quotation mark that
never closes. No error and no `BadRow.reason` holds anything of the file.
"""

from airflow_provider_telecom.calls.rows.csv_file import ENCODINGS, csv_rows
from airflow_provider_telecom.calls.rows.json_file import json_metadata, json_rows
from airflow_provider_telecom.calls.rows.record import BadRow, NumberedRow, all_rows
from airflow_provider_telecom.calls.rows.xml_file import xml_metadata, xml_rows

__all__ = [
    "ENCODINGS",
    "BadRow",
    "NumberedRow",
    "all_rows",
    "csv_rows",
    "json_metadata",
    "json_rows",
    "xml_metadata",
    "xml_rows",
]
