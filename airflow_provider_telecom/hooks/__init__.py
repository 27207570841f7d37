"""The hooks: an Airflow connection becomes an address, credentials, options and a vendor's calls."""
