"""`Scenes`: the character that is active in a session, the one that is being loaded, and what it is asked."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeAlias

import attrs
import trio

from ..concurrency import Slot
from ..config.character import CharacterConfig, EngineChoice
from ..conversation.conversation import Conversation
from ..conversation.end_of_turn import Judgement
from ..conversation.events import InputDropped
from ..conversation.scene import OpenCharacter, Scene, SceneFailed, SceneReady
from ..conversation.speculating import worth_beginning
from ..conversation.speech_engines import SpeechEngines
from ..conversation.user_input import UserInput
from ..conversation.wake_word import WakeWord
from ..errors import ConfigError, ProtocolError
from ..protocol import ConfigSwitched, EngineChosen, Error, FullText, SetModelAndConf, WakeWords
from .engine_menu import with_engine
from .holdings import Holdings, Received
from .idleness import Idle, Idleness
from .presenter import Presenter
from .services import SessionServices


@attrs.frozen
class _ChosenEngine:
    """An engine that the client has chosen: what it is told when that is in use, or could not be loaded."""

    told: EngineChosen
    _why: Callable[[str], str]

    def failed(self, reason: str) -> EngineChosen:
        return attrs.evolve(self.told, problem=self._why(reason), file="", key="")


SessionEvent: TypeAlias = Received | Idle | SceneReady | SceneFailed
"""What a session's loop is told: what the client said, and what became of its characters."""


@attrs.define(eq=False)
class Scenes:
    """Called by the task of the session's requests, one at a time; the loop calls `drop_waiting`,
    `tell_wake_words`, `speech_engines` and `may_begin_early`.

    Characters are loaded in ``nursery``, and tell ``inbox`` what became of them.
    """

    _services: SessionServices
    _conversation: Conversation
    _presenter: Presenter
    _holdings: Holdings
    _nursery: trio.Nursery
    _inbox: trio.MemorySendChannel[SessionEvent]
    config: CharacterConfig = attrs.field(init=False)
    """The present character, or the one that will be, with the engines that the client has chosen for it."""
    original: CharacterConfig = attrs.field(init=False)
    """The same character as its file has it."""
    _scene: Scene | None = attrs.field(default=None, init=False)
    _next: Scene | None = attrs.field(default=None, init=False)
    _choice: _ChosenEngine | None = attrs.field(default=None, init=False)
    """Why the next scene is loaded, where that is another engine for the same character."""
    _idleness: Idleness = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.config = self.original = self._services.catalog.base
        slot = Slot(self._nursery)
        self._idleness = Idleness(self._conversation, self._presenter, slot, self._inbox.send)

    def __repr__(self) -> str:
        parts = [
            f"scene={self._scene.config.conf_name}" if self._scene else "",
            f"next={self._next.config.conf_name} (loading)" if self._next else "",
        ]
        return " ".join(part for part in parts if part)

    @property
    def speech_engines(self) -> SpeechEngines | None:
        """Those of the active character; None while no character is active."""
        scene = self._scene
        return scene.character.speech_engines if scene is not None and scene.present else None

    def begin(self) -> None:
        """Load the base character, with which each session begins."""
        self._change(self.config)

    def drop_waiting(self) -> None:
        """The user barged in: what waits for a character is not answered."""
        self._holdings.wait(None)

    async def tell_dropped(self, *, refused: bool = False) -> None:
        """Tell a client that follows its requests which of them were dropped. A cancel may leave some out."""
        for request in self._holdings.take_dropped():
            await self._presenter.handle(InputDropped(request, refused))

    async def introduce(self) -> None:
        """Tell the client who is present, or will be."""
        config = self.config
        uid = self._presenter.client_uid
        await self._presenter.tell(SetModelAndConf(config.model_info, config.conf_name, config.conf_uid, uid))

    async def tell_wake_words(self) -> None:
        """Tell a client that accepts it how the character is woken, and whether it sleeps."""
        if "wake-words" not in self._presenter.accepts:
            return
        config = self.config.wake_word
        asleep = config.enabled and not self._conversation.wake_word.awake
        words = config.wake_words if config.enabled else {}
        await self._presenter.tell(WakeWords(words, "listening" if asleep else "active"))

    # What the user says.

    async def answer(self, user_input: UserInput) -> None:
        """Begin a turn, or let the input wait for the character; or say why not."""
        try:
            self._check(user_input)
            user_input = self._holdings.keep(user_input)
        except ProtocolError as error:
            user_input.release()
            await self._presenter.tell(Error(str(error), error.code))
            if user_input.request is not None:
                await self._presenter.handle(InputDropped(user_input.request, refused=True))
            return
        if self._scene is not None and self._scene.present:
            if user_input.recognition is not None:
                self._conversation.commit(self._scene, user_input)
            else:
                self._conversation.begin_turn(self._scene, user_input)
            await self._idleness.stay_awake()
        else:
            self._holdings.wait(user_input)
            if self._next is None:
                # It could not be loaded before; perhaps that was mended meanwhile.
                self._change(self.config)
            await self.tell_dropped()
            await self._presenter.tell(FullText(f"{self.config.character_name} is on the way..."))

    def may_begin_early(self, words: str, judgement: Judgement | None) -> bool:
        """Whether a turn is worth beginning for a user who pauses after ``words``: see `worth_beginning`."""
        services, scene = self._services, self._scene
        if not worth_beginning(words, judgement, services.system.speculation):
            return False
        # What waits for a character is answered first, and a server that shuts down answers nothing more.
        if scene is None or not scene.present or self._holdings.waiting or services.closing.is_set():
            return False
        return services.budgets.of(scene.config).allows()

    def begin_early(self, given: UserInput) -> None:
        """Begin to answer ``given``, before it is certain that this was all."""
        if self._scene is not None and self._scene.present:
            budget = self._services.budgets.of(self._scene.config)
            self._conversation.begin_provisional(self._scene, given, budget)

    async def nudge(self, images: tuple[str, ...]) -> None:
        """Speak unasked, unless somebody is being answered: a nudge is no reason to interrupt oneself."""
        wake_word = self._conversation.wake_word
        asleep = wake_word.enabled and not wake_word.awake
        if not self._busy and not asleep:
            await self.answer(UserInput(self.config.nudge_prompt, images, nudge=True))

    async def answer_silence(self) -> None:
        """An utterance is over in which nothing was said."""
        if not self._busy:
            await self._presenter.tell_nothing_said()

    @property
    def _busy(self) -> bool:
        return self._conversation.turn_running or self._holdings.waiting is not None

    def _check(self, user_input: UserInput) -> None:
        if not user_input.text.strip() and not user_input.images and user_input.sound is None:
            raise ProtocolError("bad-message", "text-input: 'text' is empty, and there is no image")
        most = self._services.system.max_text
        if len(user_input.text) > most:
            raise ProtocolError("text-too-long", f"text-input: 'text' may have {most} characters")
        if self._services.closing.is_set():
            raise ProtocolError("shutting-down", "the server is shutting down")

    # Who is present.

    @property
    def switching(self) -> bool:
        """Whether a character is being loaded, and not another engine for the one who is here."""
        return self._next is not None and self._choice is None

    async def choose(self, choice: EngineChoice, told: EngineChosen, why: Callable[[str], str]) -> None:
        """Give the present character another engine; it stays as it is until that is loaded.

        The client is sent ``told`` then; if it cannot be loaded, with what ``why`` makes of the reason.
        A turn that runs keeps the engine that it began with. Not to be called while `switching`.
        """
        menu, within = self._services.engines, self._services.system.engine_trial_timeout
        assert menu is not None
        config = with_engine(self.config, choice)
        if config == self.config and self._next is None and self._scene is not None:
            await self._presenter.tell(told)
            return
        open_character = partial(menu.open_with, choice, within, self._services.open_character)
        self._change(config, open_character=open_character, choice=_ChosenEngine(told, why))

    async def switch(self, file: str) -> None:
        """Load the character of ``file``; the one who is present stays until that is there."""
        try:
            config = await self._services.catalog.load(file)
        except ConfigError as error:
            await self._presenter.tell(Error(str(error), "bad-config"))
        else:
            await self._presenter.tell(FullText(f"Loading {config.character_name}..."))
            self._change(config, asked_for=True)

    async def follow(self, event: Idle | SceneReady | SceneFailed) -> None:
        """A character has come, could not come, had to leave, or is to fall asleep."""
        match event:
            case Idle():
                await self._idleness.fall_asleep(event)
            case SceneReady(scene):
                await self._enter(scene)
            case SceneFailed(scene, why):
                await self._lose(scene, why)

    def _change(
        self,
        config: CharacterConfig,
        *,
        asked_for: bool = False,
        open_character: OpenCharacter | None = None,
        choice: _ChosenEngine | None = None,
    ) -> None:
        """Start to load a character; what was loading before is stopped, and gives back what it had."""
        if self._next is not None:
            self._next.close("a newer character was chosen")
        self._next, self._choice = Scene(config, self._inbox, asked_for), choice
        name = f"session {self._presenter.client_uid[:4]}/scene {config.conf_name}"
        self._nursery.start_soon(self._next.play, open_character or self._services.open_character, name=name)

    async def _enter(self, scene: Scene) -> None:
        """A character is ready: let it take the place of the one before."""
        if scene is not self._next:
            return  # late news of one that is no longer wanted
        previous, self._scene, self._next = self._scene, scene, None
        choice, self._choice = self._choice, None
        self.config = scene.config
        if choice is not None and previous is not None:
            # The same character with another engine: it says to the end what it is saying, in the voice that
            # it began with, and stays awake.
            self._conversation.discard()
            previous.retire()
        else:
            await self._introduce_anew(scene, previous)
        if choice is not None:
            await self._presenter.tell(choice.told)
        waiting, self._holdings.waiting = self._holdings.waiting, None
        if waiting is not None:
            await self.answer(waiting)

    async def _introduce_anew(self, scene: Scene, previous: Scene | None) -> None:
        counts = self._conversation.wake_word.counts
        self._conversation.wake_word = WakeWord(scene.config.wake_word, counts)
        if scene.asked_for:
            self.original = scene.config
            await self._conversation.start_with(scene.config.conf_uid)
            await self.introduce()
            await self._presenter.tell(ConfigSwitched(f"Switched to {scene.config.conf_name}"))
        if previous is not None:
            previous.close("another character took its place")
        # Also when the same one is back, after an engine of it had died: then it sleeps again.
        await self.tell_wake_words()

    async def _lose(self, scene: Scene, why: str) -> None:
        """A character could not come, or an engine of the one who is here has died."""
        name = scene.config.conf_name
        if scene is self._next:
            choice, self._choice = self._choice, None
            self._next = None
            self._holdings.wait(None)
            error = Error(f"{name} could not be loaded: {why}", "bad-config")
            await self._presenter.tell(error if choice is None else choice.failed(why))
            await self.tell_dropped(refused=True)
        elif scene is self._scene:
            self._scene = None
            await self._conversation.end_turn("its character is gone")
            await self._presenter.tell(Error(f"{name} stopped working: {why}", "engine-error"))
        elif scene.retired:
            await self._conversation.end_turn("an engine of it is gone")
