"""The send journal: the intent is written before anything is sent."""
