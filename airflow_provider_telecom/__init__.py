"""Apache Airflow provider for five telecom vendors' HTTP APIs."""

__version__ = "0.1.0"
