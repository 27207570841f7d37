"""Links from a task to a vendor's console."""
