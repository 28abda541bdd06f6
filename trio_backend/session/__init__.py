"""One connected client: a reader, a writer, and the loop that owns all state."""

from __future__ import annotations

from .lifetime import run_session as run_session
from .services import Services as Services
from .session import ClientUid as ClientUid
from .session import Session as Session
