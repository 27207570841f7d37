"""The language that endpoints are written in. Nothing in this room does I/O or knows Airflow."""
