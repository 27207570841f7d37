"""Sending to many: recipients, texts with their values, chunks, and the file of results."""

from airflow_provider_telecom.campaigns.budget import Budget

__all__ = ["Budget"]
