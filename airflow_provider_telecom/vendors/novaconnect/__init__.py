"""NovaConnect: a fleet of SIMs, its bills, reports and people."""
