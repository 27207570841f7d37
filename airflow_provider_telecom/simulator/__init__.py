"""A town of pretend vendors, for tests, demos and users' own Dags; `page` says what it does not imitate."""
