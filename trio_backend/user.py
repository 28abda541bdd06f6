"""`User`: who is at the other end of a connection."""

from __future__ import annotations

from typing import NewType

import attrs

UserId = NewType("UserId", str)


@attrs.frozen
class User:
    """Who connects, as the server's `Authenticator` has found out.

    Two connections with the same ``id`` are the same user's. An ``id`` is never shown to another user.
    """

    id: UserId


NOBODY = User(UserId(""))
"""Nobody in particular: whoever connects where nobody is asked for a name. All of them are one user."""
