"""Where credentials come from: an Airflow connection becomes an address, an auth scheme and options."""
