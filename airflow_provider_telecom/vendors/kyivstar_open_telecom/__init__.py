"""Kyivstar Open Telecom: checks of subscribers, SMS, Viber, and SMS mailings."""
