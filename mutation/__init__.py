"""Mutation tests of the code that decides about money and secrets: `make mutate`."""
