"""Models and voices: what the conversation asks of them, and one adapter per file."""
