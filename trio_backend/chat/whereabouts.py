"""Where in the house the user is: which character, which conversation. No I/O."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from ..client.messages import CharacterFile, StoredConversation


@attrs.define(eq=False)
class Whereabouts:
    """What lists mark, and a new connection has to restore."""

    character: str = ""
    """The name of the character who is here."""
    file: str | None = None
    """The character's file, where the user chose it; otherwise it is the one that everybody meets first."""
    history_uid: str | None = None
    spoken: bool = False
    """Whether anything was said in this conversation."""
    listed: Sequence[StoredConversation] = ()
    """The conversations as the user saw them last: the numbers of ``/history N`` mean these."""

    def enter(self, history_uid: str | None, *, spoken: bool = False) -> None:
        """Be in another conversation."""
        self.history_uid, self.spoken = history_uid, spoken

    def meet(self, file: str | None) -> None:
        """Be with another character, in no conversation yet."""
        self.file, self.listed = file, ()
        self.enter(None)

    def current(self, characters: Sequence[CharacterFile]) -> CharacterFile | None:
        """Which of ``characters`` is here, as far as it can be told."""
        for one in characters:
            if one.filename == self.file if self.file is not None else one.name == self.character:
                return one
        return None
