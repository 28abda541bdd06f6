"""Wyoming, by which Home Assistant uses our voice, our recognition, and a character as its agent."""
