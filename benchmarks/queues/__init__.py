"""The same visits, served by five ways to forward messages to a conversation."""
