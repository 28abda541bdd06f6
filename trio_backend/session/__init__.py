"""One connected client: a reader, a writer, and the loop that owns all state."""

from __future__ import annotations

from .house import House as House
from .lifetime import run_session as run_session
from .loop import ClientUid as ClientUid
from .loop import Session as Session
