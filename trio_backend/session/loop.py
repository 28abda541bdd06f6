"""`Session`: the loop that owns all that one connected client's session knows."""

from __future__ import annotations

from typing import NewType, TypeAlias, assert_never

import attrs
import trio
from loguru import logger

from .. import protocol as say
from ..concurrency import Slot
from ..config.character import CharacterConfig
from ..conversation.archive import tend_conversations
from ..conversation.dialogue import Dialogue
from ..conversation.ears import Ears
from ..conversation.hearing import Hearing, Samples
from ..conversation.scene import Scene, SceneFailed, SceneReady
from ..conversation.turn import Ask
from ..conversation.wake_word import WakeWord
from ..errors import ConfigError, ProtocolError
from ..protocol import Incoming, Outgoing
from ..quota import MemoryQuota
from .drowsiness import Idle, doze
from .holdings import Holdings, Received
from .house import House
from .listener import Listener

ClientUid = NewType("ClientUid", str)
Happening: TypeAlias = Received | Idle | SceneReady | SceneFailed


@attrs.define(eq=False)
class Session:
    """What one client's session knows. Only its loop, `live`, changes it; `tell` is for its tasks."""

    client_uid: ClientUid
    house: House
    _nursery: trio.Nursery
    _inbox: trio.MemorySendChannel[Happening]
    _client: Listener
    _quota: MemoryQuota = attrs.field(kw_only=True)
    _holdings: Holdings = attrs.field(init=False)
    _dialogue: Dialogue = attrs.field(init=False)
    _config: CharacterConfig = attrs.field(init=False)
    _scene: Scene | None = attrs.field(default=None, init=False)
    _next_scene: Scene | None = attrs.field(default=None, init=False)
    _hearing: Hearing = attrs.field(init=False)
    _drowsiness: Slot = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._config, system = self.house.cast.base, self.house.system
        self._dialogue = Dialogue.begin(
            self._config.conf_uid, self._client, history=self.house.history, system=system, quota=self._quota
        )
        self._holdings = Holdings(self._quota, self._dialogue.memory, system.max_pictures)
        microphone = self._holdings.microphone(system.max_utterance)
        self._hearing = Hearing(self.tell, self._dialogue.hush, microphone)
        self._drowsiness = Slot(self._nursery)

    def __str__(self) -> str:
        return f"session {self.client_uid[:4]}"

    def __repr__(self) -> str:
        parts = [
            f"scene={self._scene.config.conf_name}" if self._scene else "",
            "turn" if self._dialogue.speaking else "",
            f"next={self._next_scene.config.conf_name} (loading)" if self._next_scene else "",
        ]
        return f"<Session {self.client_uid[:4]} {' '.join(part for part in parts if part)}>"

    # What the session's tasks call.

    async def tell(self, message: Outgoing) -> None:
        """Hand ``message`` to the writer. Returns at once when the client is gone: the reader ends us."""
        await self._client.tell(message)

    async def hear(self, frame: str | bytes) -> None:
        """Decode a frame and hand it to the loop; answer one that cannot be read, or not be kept."""
        try:
            for received in self._holdings.understand(frame):
                if received is None:
                    await trio.lowlevel.checkpoint()
                    continue
                try:
                    await self._inbox.send(received)
                except trio.Cancelled:
                    received.claim.release()
                    raise
        except ProtocolError as error:
            await self.tell(say.Error(str(error), error.code))

    def end(self, reason: str) -> None:
        """Cancel everything that the session has started."""
        self._nursery.cancel_scope.cancel(reason)

    @property
    def speaking(self) -> bool:
        """Whether a turn is running."""
        return self._dialogue.speaking

    async def wait_quiet(self) -> None:
        """Wait until no turn is running."""
        await self._dialogue.wait_quiet()

    async def farewell(self) -> None:
        """Store what was said in a turn that the end of the session cut; then let go of all that was sent."""
        try:
            if await self._dialogue.farewell():
                logger.info("the running turn was cut")
        finally:
            self._hearing.close()
            self._holdings.close()

    # The loop.

    async def live(self, inbox: trio.MemoryReceiveChannel[Happening]) -> None:
        """Greet the client, then handle what happens, one thing at a time, for ever."""
        self._change_scene(self._config, asked_for=False)
        await self.tell(say.GroupUpdate((), is_owner=False))
        await self.tell(say.FullText("Connection established"))
        await self._introduce()
        await self.tell(say.GroupUpdate((), is_owner=False))
        await self.tell(say.Control("start-mic"))
        async for happening in inbox:
            if isinstance(happening, Received):
                self._holdings.take(happening.claim)
                await self._handle(happening.message)
                self._holdings.put_down()
            else:
                await self._handle(happening)
            del happening

    async def _handle(self, happening: Incoming | Samples | Idle | SceneReady | SceneFailed) -> None:
        match happening:
            case say.TextInput(text, images, name):
                shown = tuple(image.data for image in images or ())
                # A name is one line, or what a viewer calls himself could pass for what others say.
                await self._ask(Ask(text, shown, name=" ".join((name or "").split())))
            case say.AiSpeakSignal(images=images):
                await self._nudge(tuple(image.data for image in images or ()))
            case say.InterruptSignal(text):
                self._holdings.wait(None)
                await self._dialogue.barge_in(text[: self.house.system.max_text])
            case say.FrontendPlaybackComplete():
                self._client.played.set()
            case say.AudioPlayStart():
                pass  # for the other members of a group, and there are none
            case say.FetchConfigs():
                files = await self.house.cast.files()
                await self.tell(say.ConfigFiles([say.ConfigFile(file.filename, file.name) for file in files]))
            case say.SwitchConfig(file):
                await self._switch(file)
            case say.RequestInitConfig():
                await self._introduce()
            case say.FetchBackgrounds():
                await self.tell(say.BackgroundFiles(await self.house.backgrounds()))
            case say.FetchHistoryList() | say.FetchAndSetHistory():
                await tend_conversations(happening, self._dialogue, self._client)
            case say.CreateNewHistory() | say.DeleteHistory():
                await tend_conversations(happening, self._dialogue, self._client)
            case say.RequestGroupInfo():
                await self.tell(say.GroupUpdate((), is_owner=False))
            case say.Heartbeat():
                await self.tell(say.HeartbeatAck())
            case say.AddClientToGroup() | say.RemoveClientFromGroup():
                await self.tell(say.Error(f"{happening.type}: groups are not served yet", "not-yet"))
            case say.MicAudioData() | say.RawAudioData() | say.MicFormat() | Samples():
                await self._hearing.hear(happening, self._ears)
            case say.MicAudioEnd(images):
                await self._answer_sound(tuple(image.data for image in images or ()))
            case Idle(door):
                await self._fall_asleep(door)
            case SceneReady(scene):
                await self._enter(scene)
            case SceneFailed(scene, why):
                await self._lose(scene, why)
            case _:
                assert_never(happening)

    # Turns.

    async def _ask(self, ask: Ask) -> None:
        try:
            if not ask.text.strip() and not ask.images and ask.sound is None:
                raise ProtocolError("bad-message", "text-input: 'text' is empty, and there is no image")
            most = self.house.system.max_text
            if len(ask.text) > most:
                raise ProtocolError("text-too-long", f"text-input: 'text' may have {most} characters")
            if self.house.closing.is_set():
                raise ProtocolError("shutting-down", "the server is shutting down")
            ask = self._holdings.keep(ask)
        except ProtocolError as error:
            ask.release()
            await self.tell(say.Error(str(error), error.code))
        else:
            await self._answer(ask)

    async def _answer(self, ask: Ask) -> None:
        if self._scene is not None and self._scene.present:
            await self._dialogue.answer(self._scene, ask)
            await self._stay_awake()
        else:
            self._holdings.wait(ask)
            if self._next_scene is None:
                # It could not be loaded before; perhaps that was mended meanwhile.
                self._change_scene(self._config, asked_for=False)
            await self.tell(say.FullText(f"{self._config.character_name} is on the way..."))

    async def _nudge(self, images: tuple[str, ...]) -> None:
        """Speak unasked, unless somebody is being answered: a nudge is no reason to interrupt oneself."""
        door = self._dialogue.door
        asleep = door.enabled and not door.awake
        if not self._dialogue.speaking and self._holdings.waiting is None and not asleep:
            await self._ask(Ask(self._config.nudge_prompt, images, nudge=True))

    # Sound.

    @property
    def _ears(self) -> Ears | None:
        """Those of the character who is present."""
        scene = self._scene
        return scene.character.ears if scene is not None and scene.present else None

    async def _answer_sound(self, images: tuple[str, ...]) -> None:
        sound = self._hearing.end()
        if sound is not None:
            await self._ask(Ask("", images, sound=sound))
        elif not self._dialogue.speaking and self._holdings.waiting is None:
            # Nothing was said, but the client expects an answer.
            await self.tell(say.Control("conversation-chain-start"))
            await self.tell(say.Control("conversation-chain-end"))

    async def _stay_awake(self) -> None:
        door = self._dialogue.door
        if door.enabled:
            await self._drowsiness.fill(
                doze, door, self._dialogue.wait_quiet, self._inbox, name=f"{self}/idle"
            )

    async def _fall_asleep(self, door: WakeWord) -> None:
        if door is self._dialogue.door and door.awake and not self._dialogue.speaking:
            await self.tell(door.state(door.fall_asleep()))

    # Scenes.

    async def _introduce(self) -> None:
        config = self._config
        await self.tell(
            say.SetModelAndConf(config.model_info, config.conf_name, config.conf_uid, self.client_uid)
        )

    async def _switch(self, file: str) -> None:
        try:
            config = await self.house.cast.load(file)
        except ConfigError as error:
            await self.tell(say.Error(str(error), "bad-config"))
        else:
            await self.tell(say.FullText(f"Loading {config.character_name}..."))
            self._change_scene(config, asked_for=True)

    def _change_scene(self, config: CharacterConfig, *, asked_for: bool) -> None:
        """Start to load a character; what was loading before is stopped, and gives back what it had."""
        if self._next_scene is not None:
            self._next_scene.close("a newer character was chosen")
        self._next_scene = scene = Scene(config, self._inbox, asked_for)
        self._nursery.start_soon(
            scene.play, self.house.open_character, name=f"{self}/scene {config.conf_name}"
        )

    async def _enter(self, scene: Scene) -> None:
        """A character is ready: let it take the place of the one before."""
        if scene is not self._next_scene:
            return  # late news of one that is no longer wanted
        previous, self._scene, self._next_scene = self._scene, scene, None
        self._config = scene.config
        counts = self._dialogue.door.counts
        self._dialogue.door = WakeWord(scene.config.wake_word, self.client_uid, counts)
        if scene.asked_for:
            await self._dialogue.meet(scene.config.conf_uid)
            await self._introduce()
            await self.tell(say.ConfigSwitched(f"Switched to {scene.config.conf_name}"))
        if previous is not None:
            previous.close("another character took its place")
        waiting, self._holdings.waiting = self._holdings.waiting, None
        if waiting is not None:
            await self._ask(waiting)

    async def _lose(self, scene: Scene, why: str) -> None:
        """A character could not come, or an engine of the one who is here has died."""
        if scene is self._next_scene:
            self._next_scene = None
            self._holdings.wait(None)
            await self.tell(say.Error(f"{scene.config.conf_name} could not be loaded: {why}", "bad-config"))
        elif scene is self._scene:
            self._scene = None
            await self._dialogue.end_turn("its character is gone")
            await self.tell(say.Error(f"{scene.config.conf_name} had to leave: {why}", "engine-error"))
