"""`InterruptedPage`: from when on a page that its user has interrupted takes sound again."""

from __future__ import annotations

import math

import attrs
import trio

SETTLED_AFTER = 0.5
"""Seconds that a page without a `hello` has for drawing `conversation-chain-start`, before it gets sound."""
# Seconds after an interruption within which a turn begins that the user has asked for by what they had typed
# before it: the page first takes a picture for it, and the turn waits for the one before. Whoever stops the
# character and types then ends the page's state by typing.
_FOLLOWS_WITHIN = 5.0


@attrs.define(eq=False)
class InterruptedPage:
    """For clients without a `hello`: the page of Open-LLM-VTuber loses what comes too early.

    Where a text is sent while the character speaks, it interrupts, and drops each `audio` until it has drawn
    `conversation-chain-start`: what handles its messages sees the state as it was last drawn. Where a model
    is drawn in software, or on busy cores, that takes as long as one or two pictures of it, up to 0.3 s each.
    It answers nothing from which one could tell when it is done: the only message that it answers then is
    `backend-synth-complete`, and other clients would take the turn for over. So the first sound waits, and
    only after an interruption; most replies need longer than that anyway.
    """

    _interrupted_at: float = attrs.field(default=-math.inf, init=False)
    _settled_at: float = attrs.field(default=-math.inf, init=False)

    def interrupt(self) -> None:
        """The user has interrupted the character."""
        self._interrupted_at = trio.current_time()

    def hear_user(self) -> None:
        """The user has finished speaking: the page waits for a reply since then, which is long enough."""
        self._interrupted_at = -math.inf

    def begin_turn(self) -> None:
        """The page is told that a turn begins."""
        now = trio.current_time()
        if now - self._interrupted_at <= _FOLLOWS_WITHIN:
            self._settled_at = now + SETTLED_AFTER
        self._interrupted_at = -math.inf

    def go_on(self) -> None:
        """The page is told that the turn goes on: it has sent sound all the time, so it is no such page."""
        self._interrupted_at = -math.inf

    async def wait_settled(self) -> None:
        """Wait until the page takes sound; most often it does already. A cancel has changed nothing."""
        if self._settled_at > trio.current_time():
            await trio.sleep_until(self._settled_at)
