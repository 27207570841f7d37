"""Chaos tests: kills, faults and random events, and a checker that reads what clients and vendors did."""
