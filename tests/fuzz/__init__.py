"""Unusual answers: what a vendor, a gateway or a broken network may send in place of the expected answer."""
