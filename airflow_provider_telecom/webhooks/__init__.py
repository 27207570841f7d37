"""What vendors tell us unasked: addresses to tell it to, the receiver, and what comes of it."""
