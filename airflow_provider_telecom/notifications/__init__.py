"""Telling people, one file a vendor."""
