"""The only client I/O: `blocking` for workers (requests), `awaited` for triggers (aiohttp)."""
