"""`Company`: whether the user is alone with the character, and under which name he speaks. No I/O."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode, urlsplit

import attrs

from ..client.address import Address
from ..protocol.incoming import TextInput

ROOM_PATH = "/proxy-ws"


@attrs.frozen
class Company:
    """In a ``room`` others hear the same character: nobody is interrupted by a question, or by an arrival."""

    room: str = ""
    name: str = ""

    def message(self, text: str) -> TextInput:
        """What the user says, as it is sent."""
        return TextInput(text, name=self.name or None, notify=bool(self.room))

    def address(self, server: Address) -> Address:
        """Where at ``server`` to connect. What else the address asks for, such as a token, stays."""
        if not self.room:
            return server
        asked = [pair for pair in parse_qsl(urlsplit(server.target).query) if pair[0] != "room"]
        return attrs.evolve(server, target=f"{ROOM_PATH}?{urlencode([*asked, ('room', self.room)])}")
