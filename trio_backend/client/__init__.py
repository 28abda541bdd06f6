"""The client's side of the protocol: addresses, connections, and what the server's messages mean."""
