"""The terminal client: talk with a character from a shell."""

from __future__ import annotations

from .chat import ChatOptions as ChatOptions
from .chat import chat as chat
from .link import RoomOptions as RoomOptions
