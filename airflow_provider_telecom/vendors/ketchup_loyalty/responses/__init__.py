"""How KetchUp's responses and error codes are read."""
