"""What a connection raises when it is lost."""

from __future__ import annotations

import trio

# All of them concern one connection: whoever sees one drops that connection, and goes on.
NETWORK_ERRORS = (OSError, trio.BrokenResourceError, trio.ClosedResourceError, trio.TooSlowError)
