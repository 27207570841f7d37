"""Sending to many: recipients, texts with their values, and what became of each."""
