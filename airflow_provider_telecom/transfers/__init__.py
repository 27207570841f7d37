"""Transfer operators: vendors' records to object storage, in `<vendor>_to_object_storage`."""
