"""The receiver of webhooks: signed addresses, checks, the inbox, and the page. It knows no vendor's
payload."""
