"""What is known about each vendor, in a package each. Its `VENDOR` is found by `registry`."""
