"""Simulator of the five vendors, for tests, demos and users' Dags; `page` lists what it does not imitate."""
