"""NovaConnect's operators."""
