"""`trio-backend init`: asks five questions, and writes a configuration that works."""
