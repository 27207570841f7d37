"""Notifiers: alerts by SMS, Viber or telephone call."""
