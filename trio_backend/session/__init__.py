"""One connected client: a reader, a writer, and the loop that owns all state."""

from __future__ import annotations

from .client import SessionClient as SessionClient
from .client import WireClient as WireClient
from .engine_menu import EngineMenu as EngineMenu
from .lifetime import Services as Services
from .lifetime import run_session as run_session
from .session import ClientUid as ClientUid
from .session import Session as Session
