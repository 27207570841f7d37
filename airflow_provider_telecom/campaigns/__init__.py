"""Sending to many: recipients, texts with their values, chunks, and the file of results."""
