"""The simulator's page: first what it does not imitate, then its vendors and its control API."""

from __future__ import annotations

from collections import Counter
from html import escape

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from airflow_provider_telecom.simulator.credentials import ACCOUNTS, Account
from airflow_provider_telecom.simulator.state import SimulatorState

NOT_IMITATED = (
    "Nothing is delivered: no message, call or mail leaves this machine.",
    "Prices, scores, delivery rates and waiting times are made up.",
    "Where a vendor's document is unclear, it follows one reading; the vendor may do otherwise.",
    "No TLS, no load limits of a real host, nothing kept over a restart.",
    "Only its own test credentials are accepted; real ones are refused.",
)
_CONTROLS = (
    ("effects so far", "curl {url}/_control/ledger?vendor=ketchup_loyalty"),
    ("requests received", "curl {url}/_control/requests"),
    (
        "the next request fails",
        """curl -H 'content-type: application/json' {url}/_control/faults \\
     -d '{{"kind": "reset_after", "vendor": "ketchup_loyalty", "path": "/sms/create"}}'""",
    ),
    (
        "an SMS changes its state every 2 s",
        """curl -H 'content-type: application/json' {url}/_control/transitions \\
     -d '{{"kind": "ketchup_loyalty.sms", "mode": "after_seconds", "count": 2}}'""",
    ),
    (
        "set the clock an hour ahead",
        """curl -H 'content-type: application/json' {url}/_control/clock -d '{{"advance": 3600}}'""",
    ),
    (
        "follow another reading of a document",
        """curl -H 'content-type: application/json' {url}/_control/switches \\
     -d '{{"name": "ketchup_loyalty.bare_read", "value": "on"}}'""",
    ),
    ("all switches", "curl {url}/_control/switches"),
    (
        "reset",
        """curl -H 'content-type: application/json' {url}/_control/reset \\
     -d '{{"seed": 7, "preset": "opposite"}}'""",
    ),
)
_STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8882; --accent: #0a7d5a; }
@media (prefers-color-scheme: dark) { :root { --accent: #4fd1a5; } }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2.5rem auto; padding: 0 1.5rem; }
h1 { margin: 0; letter-spacing: -.02em; } h2 { margin-top: 2rem; font-size: 1.1rem; }
.note { border-left: 4px solid var(--accent); background: var(--soft); }
.note { padding: .6rem 1.2rem; margin: 1.2rem 0; }
.note ul { margin: .3rem 0; padding-left: 1.2rem; }
table { border-collapse: collapse; width: 100%; }
td, th { text-align: left; padding: .45rem .6rem; border-bottom: 1px solid var(--line); vertical-align: top; }
code, pre { font: 13px/1.45 ui-monospace, monospace; overflow-wrap: anywhere; }
td:nth-child(2) code { white-space: nowrap; }
pre { margin: 0; white-space: pre-wrap; } .number { text-align: right; font-variant-numeric: tabular-nums; }
"""


def routes(state: SimulatorState) -> APIRouter:
    """Return the page's route."""
    router = APIRouter()

    @router.get("/", response_class=HTMLResponse)
    async def page(request: Request) -> str:
        return _page(state, str(request.base_url).rstrip("/"))

    return router


def _page(state: SimulatorState, url: str) -> str:
    counts = Counter((effect.vendor, effect.kind) for effect in state.ledger.effects)
    limits = "".join(f"<li>{escape(text)}</li>" for text in NOT_IMITATED)
    vendors = "".join(
        f"<tr><td>{escape(account.label)}</td><td><code>{escape(url)}/{vendor}</code></td>"
        f"<td><code>{escape(_credentials(account))}</code></td><td>{_effects(counts, vendor)}</td></tr>"
        for vendor, account in ACCOUNTS.items()
    )
    controls = "".join(
        f"<tr><td>{escape(what)}</td><td><pre>{escape(command.format(url=url))}</pre></td></tr>"
        for what, command in _CONTROLS
    )
    return f"""<!doctype html><html lang="en"><head><meta charset="utf-8"><title>telecom-simulator</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style></head><body>
<h1>telecom-simulator</h1>
<div class="note"><strong>What this does not imitate</strong><ul>{limits}</ul></div>
<p>Five simulated vendors on 127.0.0.1. Its clock shows {state.clock.now():%Y-%m-%d %H:%M:%S} UTC;
requests so far: {len(state.requests):,}.</p>
<h2>Vendors</h2>
<table><tr><th>Vendor</th><th>Base URL</th><th>Test credentials</th><th>Effects so far</th></tr>
{vendors}</table>
<h2>Control</h2><table>{controls}</table></body></html>"""


def _credentials(account: Account) -> str:
    return f"{account.login} / {account.password}" if account.login else account.password


def _effects(counts: Counter[tuple[str, str]], vendor: str) -> str:
    found = [f"{escape(kind)} {count:,}" for (name, kind), count in sorted(counts.items()) if name == vendor]
    return "<br>".join(found) or "none"
