"""Authentication schemes: one class a file, each a generator without I/O."""
