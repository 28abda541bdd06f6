"""`SpeechCaller`: begins, commits and discards turns on a conversation, as end-of-turn detection does."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import trio

from trio_backend.audio.pcm import Pcm
from trio_backend.conversation.events import SpeechStarted
from trio_backend.conversation.scene import Scene
from trio_backend.conversation.user_input import UserInput
from trio_backend.session.session import Session

from .clients import SimulatedClient
from .world import Said

LANE = 10.0
"""Seconds after which what waits in a session's lane has been done, or never will be."""


@attrs.define(eq=False)
class SpeechCaller:
    """What a user may have finished saying; ``wanted`` has the texts that were committed, in some way."""

    client: SimulatedClient
    _session: Callable[[], Session | None]
    texts: list[str] = attrs.field(factory=list)
    wanted: set[str] = attrs.field(factory=set)
    _begun: UserInput | None = None

    async def begin(self, *, spoken: bool = False) -> None:
        """Begin a provisional turn with a text that nobody else says, or with sound."""
        text = f"guess {self.client.name}.{len(self.texts) + 1}."
        given = UserInput("", sound=Pcm(bytes(640), 16_000)) if spoken else UserInput(text)
        self.texts.append(text)
        self.client.spoke = self.client.spoke or spoken

        def begin(session: Session, scene: Scene) -> None:
            self._begun = given
            session.conversation.begin_provisional(scene, given)

        await self._in_lane(begin)

    async def commit(self, *, other: bool = False) -> None:
        """What was begun last was said, or something ``other``. Nothing, if a barge-in is on its way."""

        def commit(session: Session, scene: Scene) -> None:
            if self._begun is None or self._barge_in_is_on_its_way():
                return
            given, self._begun = self._begun, None
            if other:
                given = UserInput(f"guess {self.client.name}.{len(self.texts) + 1}.")
                self.texts.append(given.text)
            self.wanted.add(given.text)
            session.conversation.commit(scene, given)

        await self._in_lane(commit)

    def discard(self) -> None:
        """It was not finished."""
        session = self._session()
        if session is not None:
            session.conversation.discard()

    async def speech_resumes(self) -> None:
        """Somebody speaks: what runs is stopped, and the client says what was heard of it."""
        session = self._session()
        if session is None:
            return
        done = trio.Event()

        async def run() -> None:
            await session.conversation.open.stop_for_speech()
            await session.presenter.handle(SpeechStarted())
            done.set()

        # Not at once: nobody may begin a turn between the two.
        session.requests.follow(run)
        with trio.move_on_after(LANE):
            await done.wait()
        await self.client.interrupt(silenced=True)

    async def speak(self, words: int, silence: int) -> None:
        """Into the microphone: so many windows of speech, and of silence; after a long one it is over."""
        self.client.spoke = True
        sound = Said.WORDS.sound(words) + [0.0] * 512 * silence
        await self.client.say("raw-audio-data", audio=sound)
        await self.client.world.wait(0.0, 0.01, 0.3)
        if silence > 20 and not self.client.is_page:
            await self.client.say("mic-audio-end")

    async def listen(self) -> None:
        """The microphone is on: from now on turns are begun such that they can go on after speech."""
        await self._piece([0.0] * 512 * 6)

    async def talk(self, said: Said, windows: int) -> None:
        """Into the microphone, as fast as people speak, and then be quiet for long enough."""
        self.client.spoke = True
        for at in range(0, windows, 4):
            await self._piece(said.sound(min(4, windows - at)))
        for _ in range(6):
            await self._piece([0.0] * 512 * 6)

    async def _piece(self, sound: list[float]) -> None:
        await self.client.say("raw-audio-data", audio=sound)
        await trio.sleep(len(sound) / 16_000)

    async def _in_lane(self, work: Callable[[Session, Scene], None]) -> None:
        """Do ``work`` where the session handles what its user says, if a character is there."""
        session = self._session()
        if session is None:
            return
        done = trio.Event()

        async def run() -> None:
            await trio.lowlevel.checkpoint()
            scene = session._scenes._scene
            if scene is not None and scene.present:
                work(session, scene)
            done.set()

        if session.requests.request(run, done.set, is_input=True):
            with trio.move_on_after(LANE):
                await done.wait()

    def _barge_in_is_on_its_way(self) -> bool:
        said = [note.type for note in self.client.notes if note.how == "said"]
        heard = [note.type for note in self.client.notes if note.how == "heard"]
        unmarked = "interrupt-signal" in said and "heartbeat" not in said[_last(said, "interrupt-signal") :]
        return unmarked or said.count("heartbeat") > heard.count("heartbeat-ack")


def _last(types: list[str], wanted: str) -> int:
    return len(types) - 1 - types[::-1].index(wanted)
