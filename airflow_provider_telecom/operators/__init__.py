"""What tasks do, one file a vendor."""
