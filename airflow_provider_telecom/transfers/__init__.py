"""Vendors' records to object storage, one file a vendor."""
