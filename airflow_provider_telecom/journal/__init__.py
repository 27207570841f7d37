"""What has been asked and paid for: the intent-first send journal."""
