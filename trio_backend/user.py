"""`User`: the person at the other end of a connection, where there are logins; and what they may do."""

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


@attrs.frozen
class SessionPeer:
    """Who is at the other end of a session.

    Where turns have to wait, those of one ``share`` count as those of one; where it is empty, the session's
    are its own. An ``operator`` is told what is wrong with the server and how to mend it; only one who
    ``chooses_engines`` may try and choose them.
    """

    user: User = NOBODY
    share: str = ""
    operator: bool = False
    chooses_engines: bool = False


STRANGER = SessionPeer()
"""Nobody in particular, who may talk and no more."""
