"""What tasks wait for, one file a vendor."""
