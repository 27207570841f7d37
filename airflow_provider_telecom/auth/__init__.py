"""How a request proves who we are: one small class a file, each a conversation without I/O."""
