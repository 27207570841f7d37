"""Vendors' records to object storage; `<vendor>_to_object_storage` has the operators of each."""
