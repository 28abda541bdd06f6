"""`User`: the person at the other end of a connection, where there are logins."""

from __future__ import annotations

from typing import NewType

import attrs

UserId = NewType("UserId", str)


@attrs.frozen
class User:
    """A person, as the server's `Authenticator` identified them.

    Connections with the same ``id`` are the same user's, who sees the same conversations on all of them. An
    ``id`` is never sent to another user.
    """

    id: UserId


NOBODY = User(UserId(""))
"""The user of all connections where there are no logins: they share their conversations."""
