"""Codes of refusals which say that a channel does not reach the recipient: another channel may.

Appendix 1 of the document: 21 (KU:801) and 41 (KU:816) are "wrong phone number" of SMS and Viber. The
examples have 11 "Incorrect msisdn" for the same (KU:239, KU:491). In general 11 means "too many at once"
(KU:787); then the message is sent again, so a message that stays refused under 11 has a wrong number. All
other codes are about the sender, the text, the account or a duplicate: another channel does not cure them.
"""

UNREACHABLE_CODES = {"sms": ("11", "21"), "viber": ("11", "41")}
"""By channel."""
