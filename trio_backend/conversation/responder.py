"""`Responder`: what answers in a turn. A cascade of engines is one; nothing above it knows which."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol, TypeAlias

import attrs
import trio
from trio.abc import ReceiveChannel

from ..engines.base import Prompt
from .events import AudioChunk, Problem, Sentence, ToolCall, Transcript, TurnId
from .timeline import Timeline
from .user_input import UserInput
from .wake_word import Heard, WakeWordUsed

Response: TypeAlias = Transcript | WakeWordUsed | Sentence | AudioChunk | ToolCall | Problem


# Who looks something up needs two or three rounds. A model that needs more than these goes in circles, and
# each round costs the user a second or more, and money.
TOOL_ROUNDS = 8


@attrs.frozen
class ResponseContext:
    """What a responder needs besides the input.

    ``hear`` is to be called once, with the words of the input, as soon as they are known. It remembers them,
    and says what they mean, and the event that this is, if it has to do with wake words. ``prompt`` is what a
    model reads then. ``ahead``: how many sentences may be in synthesis at once. ``timeline`` is for the
    moments inside. ``tool_rounds``: how often a model that asks for tools is asked again, with their results.

    A turn may be provisional: its reply is begun before it is certain that anybody wants it, and may be
    thrown away. ``wait_certain`` returns once it is wanted, at once in an ordinary turn. It is to be awaited
    before anything that leaves a trace outside the responder, such as the call of a tool.
    """

    turn: TurnId
    hear: Callable[[str], tuple[Heard, WakeWordUsed | None]]
    prompt: Callable[[str], Prompt]
    timeline: Timeline
    ahead: int
    tool_rounds: int = attrs.field(default=TOOL_ROUNDS, kw_only=True)
    wait_certain: Callable[[], Awaitable[None]] = attrs.field(default=trio.lowlevel.checkpoint, kw_only=True)


class Responder(Protocol):
    """Answers what a user says."""

    def respond(
        self, user_input: UserInput, context: ResponseContext
    ) -> AbstractAsyncContextManager[ReceiveChannel[Response]]:
        """The reply as events, without a buffer: who receives slowly slows it down.

        Leaving the block, or cancelling it, ends all its work: connections, child processes, synthesis. An
        engine that fails is a `Problem`, and what was understood or said before stands.
        """
        ...
