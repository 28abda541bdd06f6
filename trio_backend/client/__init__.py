"""The other side of the wire: how to reach a server, and what to say when that cannot be done."""
