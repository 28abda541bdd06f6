"""The proof: a server of the protocol answers after a thousand visits as it did after none."""
