"""`TextConversations`: conversations of clients that have text alone, and connect anew for each turn.

Home Assistant opens a connection for each thing that is said, and names the conversation that it goes on
with. So a conversation outlives its connections here, until nobody has said anything for a while.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import attrs
import trio
from loguru import logger

from ...boundary import Boundary
from ...config.character import CharacterConfig, EngineChoice
from ...conversation.admission import TurnEntrance
from ...conversation.conversation import Conversation
from ...conversation.scene import Scene, SceneFailed, SceneReady
from ...conversation.user_input import UserInput
from ...errors import QueueFull
from ...history.store import Owner
from ...identity import RequestId, new_id
from ...quota import MemoryQuota
from ...session.lifetime import CLEAN_UP_TIME, Services
from ...user import NOBODY
from .text_audience import Question, TextAudience

SILENT = EngineChoice("tts", "none_tts")
"""The client has the text spoken, by whatever voice it was told to use: here nothing is synthesized."""


@attrs.define(eq=False)
class TextConversation:
    """One conversation with the base character. It answers one question after the other."""

    _services: Services
    share: str
    """Whose turns its turns are, where turns have to wait."""
    _quota: MemoryQuota
    _rest: float
    """Seconds after which it ends, if nothing is asked."""
    ended: bool = attrs.field(default=False, init=False)
    """Whether it answers nothing any more."""
    resting: bool = attrs.field(default=False, init=False)
    """Whether it waits for a question."""
    _scope: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)
    _ready: trio.Event = attrs.field(factory=trio.Event, init=False)
    _audience: TextAudience = attrs.field(init=False)
    _problem: str = attrs.field(default="", init=False)
    """Why its character is gone, if it is."""
    _put: trio.MemorySendChannel[Question] = attrs.field(init=False)
    _get: trio.MemoryReceiveChannel[Question] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._audience = TextAudience(self._services.observer)
        # No capacity: a question is taken, or its sender knows that it was not.
        self._put, self._get = trio.open_memory_channel[Question](0)

    async def put(self, question: Question) -> None:
        """Have ``question`` answered after those before it. Raises `trio.BrokenResourceError` once ended."""
        await self._put.send(question)

    def close(self, reason: str) -> None:
        """End it now; a turn that runs is cut, and what was said is stored."""
        self.ended = True
        self._scope.cancel(reason)

    async def run(self) -> None:
        """Answer until nothing is asked for long enough, or `close`. Its words are stored in any case."""
        with logger.contextualize(session=str(new_id())[:4]):
            await self._run(self._silent(self._services.catalog.base))

    @staticmethod
    def _silent(config: CharacterConfig) -> CharacterConfig:
        return attrs.evolve(config, tts=SILENT, translator=None)

    async def _run(self, config: CharacterConfig) -> None:
        services = self._services
        conversation = Conversation.begin(
            Owner(config.conf_uid, NOBODY.id),
            self._audience,
            history=services.history,
            system=services.system,
            quota=self._quota,
        )
        conversation.entrance = TurnEntrance(services.admission, self.share)
        inbox, news = trio.open_memory_channel[SceneReady | SceneFailed](0)
        scene = Scene(config, inbox, asked_for=False)
        services.conversations.add(conversation)
        try:
            with self._scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(scene.play, services.open_character, name=f"scene {config.conf_name}")
                    nursery.start_soon(self._watch, news, name="wyoming conversation/news")
                    await self._answer_all(conversation, scene)
                    nursery.cancel_scope.cancel("nothing was asked for a while")
        finally:
            self._end()
            services.conversations.discard(conversation)
            with trio.move_on_after(CLEAN_UP_TIME, shield=True):
                await conversation.finalize()

    def _end(self) -> None:
        self.ended = True
        self._get.close()
        why = "the conversation broke off; the server's log says why"
        if self._services.closing.is_set():
            why = "the server is shutting down"
        if self._audience.question is not None:
            self._audience.question.end(self._problem or why)

    async def _watch(self, news: trio.MemoryReceiveChannel[SceneReady | SceneFailed]) -> None:
        async for event in news:
            if isinstance(event, SceneReady):
                self._ready.set()
            else:
                self._problem = event.why
                self.close("its character is gone")

    async def _answer_all(self, conversation: Conversation, scene: Scene) -> None:
        while True:
            self.resting = True
            with trio.move_on_after(self._rest):
                self._audience.question = await self._get.receive()
                self.resting = False
            if self.resting:
                # At once, so that whoever looks for it next finds that it has ended.
                self.ended = True
                return
            await self._ready.wait()
            await self._answer(conversation, scene, self._audience.question)
            self._audience.question = None

    async def _answer(self, conversation: Conversation, scene: Scene, question: Question | None) -> None:
        assert question is not None
        if self._services.closing.is_set():
            question.end("the server is shutting down")
        if question.over.is_set():
            return
        conversation.begin_turn(scene, UserInput(question.text, request=question.request))
        await question.over.wait()
        if not question.answered:
            await conversation.end_turn("the client has left")


@attrs.define(eq=False)
class TextConversations:
    """All conversations of that kind, by a key that clients choose. They run in the nursery given.

    There are ``most`` of them; one more takes the place of one that rests: of the share that would have most
    of those, the one that rests longest. What they keep, they claim of ``quota``.
    """

    _services: Services
    _quota: MemoryQuota
    _boundary: Boundary
    _nursery: trio.Nursery
    _most: int = attrs.field(kw_only=True)
    _rest: float = attrs.field(kw_only=True)
    _open: dict[str, TextConversation] = attrs.field(factory=dict, init=False)
    """The one that was asked last at the end."""
    _asked: int = attrs.field(default=0, init=False)

    @asynccontextmanager
    async def ask(self, key: str, text: str, *, share: str) -> AsyncIterator[Question]:
        """Have ``text`` answered in the conversation ``key``, which begins if there is none.

        Leaving the block ends the turn. ``share`` is whose turn it is, where turns have to wait. Raises
        `QueueFull` where there are too many conversations, all of which have something to answer.
        """
        self._asked += 1
        reply, sentences = trio.open_memory_channel[str](0)
        question = Question(text, RequestId(self._asked), sentences, reply)
        try:
            while True:
                try:
                    await self._conversation(key, share).put(question)
                    break
                except trio.BrokenResourceError:
                    pass  # it has ended in this very moment; the next one is new
            yield question
        finally:
            question.leave()

    def forget(self, key: str) -> None:
        """End the conversation ``key``, if there is one."""
        if key in self._open:
            self._open.pop(key).close("its client has left")

    def _conversation(self, key: str, share: str) -> TextConversation:
        found = self._open.pop(key, None)
        if found is None or found.ended:
            self._make_room(share)
            quota = MemoryQuota(self._services.system.max_memory_per_client, self._quota)
            found = TextConversation(self._services, share, quota, self._rest)
            self._nursery.start_soon(partial(self._keep, key, found), name="wyoming conversation")
        self._open[key] = found
        return found

    def _make_room(self, share: str) -> None:
        if len(self._open) >= self._most:
            resting = {key: one.share for key, one in self._open.items() if one.resting}
            if not resting:
                raise QueueFull(own_share=False)
            # Or one address, with a new name for each question, would have those of all others forgotten.
            counts = Counter([*resting.values(), share])
            oldest = max(resting, key=lambda key: counts[resting[key]])
            self._open.pop(oldest).close("another conversation needs its place")

    async def _keep(self, key: str, conversation: TextConversation) -> None:
        try:
            await self._boundary.run("wyoming conversation", conversation.run)
        finally:
            if self._open.get(key) is conversation:
                del self._open[key]
