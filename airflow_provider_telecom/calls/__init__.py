"""Requests, responses, errors and the retry rules of a call. Nothing here does I/O or imports Airflow."""
