"""`Idleness`: when a character that listens for a wake word falls asleep again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import attrs
import trio

from ..concurrency import Slot
from ..conversation.conversation import Conversation
from ..conversation.wake_word import WakeWord
from .presenter import Presenter


@attrs.frozen
class Idle:
    """Nothing was said for so long that the character behind ``wake_word`` is to fall asleep."""

    wake_word: WakeWord


@attrs.define(eq=False)
class Idleness:
    """Waits, in a task of the session, from the end of each turn; then ``report`` gets an `Idle`."""

    _conversation: Conversation
    _presenter: Presenter
    _slot: Slot
    _report: Callable[[Idle], Awaitable[None]]

    async def stay_awake(self) -> None:
        """Somebody has said something: count from the end of the turn that answers it."""
        wake_word = self._conversation.wake_word
        if wake_word.enabled:
            turn_over = self._conversation.wait_turn_over
            await self._slot.fill(_report_idleness, wake_word, turn_over, self._report, name="session/idle")

    async def fall_asleep(self, idle: Idle) -> None:
        """What was reported has come: the character falls asleep, unless something has happened meanwhile."""
        wake_word = idle.wake_word
        if (
            wake_word is self._conversation.wake_word
            and wake_word.awake
            and not self._conversation.turn_running
        ):
            used = wake_word.used(wake_word.fall_asleep())
            assert used is not None
            await self._presenter.handle(used)


async def _report_idleness(
    wake_word: WakeWord, turn_over: Callable[[], Awaitable[None]], report: Callable[[Idle], Awaitable[None]]
) -> None:
    """After the running turn, wait as long as the character stays awake, then report that it is idle.

    The next turn cancels it, and begins another.
    """
    await turn_over()
    idle_at = wake_word.idle_at()
    if idle_at is not None:
        await trio.sleep_until(idle_at)
        await report(Idle(wake_word))
