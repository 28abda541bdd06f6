"""`OpenTurns`: the turns of a conversation that have begun, and what becomes of them when somebody speaks."""

from __future__ import annotations

import attrs

from .events import Audience
from .provisional import ProvisionalSlot
from .turn import Turn


@attrs.define(eq=False)
class OpenTurns:
    """Turns whose end was not told yet, or whose words were not handed to the store; and the provisional one.

    No method waits for the store, or for a client.
    """

    _audience: Audience
    turns: list[Turn] = attrs.field(factory=list, init=False)
    """The oldest first."""
    provisional: ProvisionalSlot = attrs.field(factory=ProvisionalSlot, init=False)
    resumable: bool = attrs.field(default=False, init=False)
    """Whether turns are begun such that they can be held."""
    _answers: bool = attrs.field(default=False, init=False)
    """Whether the client is one that says what was heard, when it is silenced."""

    @property
    def running(self) -> bool:
        """Whether a turn answers, is being played, or is held."""
        return any(not turn.gone.is_set() for turn in self.turns)

    async def wait_over(self) -> None:
        """Wait until no turn runs."""
        for turn in tuple(self.turns):
            await turn.gone.wait()

    def expect_speech(self) -> None:
        """There is a stream in which speech is looked for: from now on, turns can be held."""
        if not self.resumable:
            self.resumable = True
            for turn in self.turns:
                turn.delivery.keep_from_now()

    @property
    def interruptible(self) -> bool:
        """Whether a turn runs that speech would interrupt."""
        return any(not turn.gone.is_set() and not turn.delivery.held for turn in self.turns)

    def playing(self) -> str:
        """What the character says at this moment, or said just now; empty where that is not known."""
        return self.turns[-1].delivery.playing() if self.turns else ""

    def asks(self) -> bool:
        """Whether the character is about to end with a question, or has just asked one."""
        return bool(self.turns) and self.turns[-1].delivery.asks()

    async def hold(self) -> bool:
        """Somebody speaks, and may mean it: silence the turn at once, such that it can `go_on`.

        False where it could not: then it was ended, as by `stop_for_speech`.
        """
        self.provisional.discard()
        held = len(self.turns) == 1 and self.turns[0].hold()
        if held:
            # Nothing is awaited: whoever waits for the words may know them at any moment, and let it go on.
            self._audience.silence()
            return True
        await self.stop_for_speech()
        return False

    def go_on(self) -> bool:
        """Nobody meant to interrupt: the turn that is held says on, from the sentence that was cut.

        False if there is none.
        """
        return any(turn.go_on() for turn in self.turns)

    def report(self, heard: str) -> bool:
        """The client says what was ``heard``. Whether that is only its answer to being silenced by `hold`.

        The answer may come when the turn has gone on already. Only clients that have answered in time before
        are believed to be late: of another it is a barge-in.
        """
        if any(turn.report(heard) for turn in self.turns):
            self._answers = True
            return True
        return self._answers and any(turn.report_late() for turn in self.turns)

    def give_up(self) -> None:
        """It will not be known what somebody means who speaks: the turn that is held is over, soon."""
        for turn in self.turns:
            if turn.delivery.held:
                turn.cut("somebody spoke")

    async def stop_for_speech(self) -> None:
        """Somebody speaks: end the turns at once.

        The client says with a barge-in what was heard of it; if it does not, all that was handed out counts
        as said, as soon as something else happens in the conversation.
        """
        self.provisional.discard()
        # Also where only the end of one is left to be told: who was silenced waits for no end.
        if self.turns:
            await self.stop("somebody spoke")
        await self.provisional.wait_discarded()

    async def stop(self, reason: str) -> list[Turn]:
        """Cancel all turns, tell nothing more of them, and wait until they are gone."""
        self._audience.silence()
        # A text from before the barge-in may begin a turn while another is still ending.
        while self.running:
            for turn in tuple(self.turns):
                turn.cut(reason)
            for turn in tuple(self.turns):
                await turn.gone.wait()
            self._audience.silence()
        return list(self.turns)
