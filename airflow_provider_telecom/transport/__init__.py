"""The only client I/O: `sync_transport` (requests) for workers, `async_transport` (aiohttp) for triggers."""
