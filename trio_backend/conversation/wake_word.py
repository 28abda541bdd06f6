"""Asleep or awake: whether what was said is meant for the character. One machine per session."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, TypeAlias

import attrs

from ..config.character import Phrases, WakeWordConfig
from ..text.phrases import LONGEST_HEARD, find, is_all, plain, words

Action: TypeAlias = Literal["wake_up", "sleep", "ignored"]


@attrs.frozen
class Heard:
    """What something said means. ``action`` is what the character did, if anything.

    ``answer`` is what it says without a model, perhaps nothing; ``request`` what a model is to answer
    then, or None if none is asked. ``phrase`` and ``language`` are those of the configuration.
    """

    action: Action | None = None
    answer: str = ""
    request: str | None = None
    phrase: str = ""
    language: str = ""


@attrs.frozen
class WakeWordUsed:
    """An event: the character woke up, fell asleep, or ignored what was said; how often, in this session."""

    action: Action
    awake: bool
    phrase: str
    language: str
    wake_count: int
    end_count: int
    ignored_count: int


@attrs.define
class Counts:
    """How often it happened in a session, to whichever character."""

    wake_count: int = 0
    end_count: int = 0
    ignored_count: int = 0


@attrs.define(eq=False)
class WakeWord:
    """Asleep until a wake phrase is said; awake until an end phrase, or until nothing was said for a while.

    Times are in seconds of any steady clock. Only the task whose turn it is feeds it.
    """

    _config: WakeWordConfig
    counts: Counts = attrs.field(factory=Counts)
    awake: bool = attrs.field(default=False, init=False)
    _active_at: float = attrs.field(default=0.0, init=False)

    @classmethod
    def always_open(cls) -> WakeWord:
        """For a character without wake words: all that is said is meant for it."""
        return cls(WakeWordConfig())

    def trial(self) -> WakeWord:
        """A copy in this state: what is said to it moves nothing here."""
        copy = WakeWord(self._config, attrs.evolve(self.counts))
        copy.awake, copy._active_at = self.awake, self._active_at
        return copy

    @property
    def enabled(self) -> bool:
        """Whether the character has wake words at all."""
        return self._config.enabled

    def hear(self, text: str, now: float) -> Heard:
        """What ``text`` means to a character in this state."""
        self._active_at = now
        if not self._config.enabled:
            return Heard(request=text)
        heard = self._hear_awake(text) if self.awake else self._hear_asleep(text)
        self._count(heard.action)
        return heard

    def used(self, heard: Heard) -> WakeWordUsed | None:
        """The event that ``heard`` is; None if it was nothing about wake words."""
        if heard.action is None:
            return None
        counts = self.counts
        return WakeWordUsed(
            heard.action,
            self.awake,
            heard.phrase,
            heard.language,
            counts.wake_count,
            counts.end_count,
            counts.ignored_count,
        )

    def keep_awake(self, now: float) -> None:
        """Something went on until ``now``: the time of idleness begins anew."""
        self._active_at = now

    def idle_at(self) -> float | None:
        """When the character falls asleep unless something is said; None while it never will."""
        return self._active_at + self._config.idle_timeout if self.awake else None

    def fall_asleep(self) -> Heard:
        """Nothing was said for too long."""
        self.awake = False
        self._count("sleep")
        return Heard("sleep")

    def _hear_asleep(self, text: str) -> Heard:
        head = plain(text)
        said = words(head)
        # The model is to read what was written, unless that had letters of another length.
        whole = text if len(head) == len(text[:LONGEST_HEARD]) else head + text[LONGEST_HEARD:]
        for language, phrase in _longest_first(self._config.wake_words):
            wanted = words(plain(phrase))
            first = find(wanted, said)
            if first is not None:
                self.awake = True
                rest = said[first + len(wanted) :]
                request = whole[rest[0].start if rest else LONGEST_HEARD :].strip() or None
                return Heard("wake_up", self._config.greeting, request, phrase, language)
        return Heard("ignored")

    def _hear_awake(self, text: str) -> Heard:
        said = words(plain(text))
        whole = len(text) <= LONGEST_HEARD and len(plain(text)) <= LONGEST_HEARD
        for language, phrase in _longest_first(self._config.end_words):
            if whole and is_all(words(plain(phrase)), said):
                self.awake = False
                return Heard("sleep", self._config.farewell, None, phrase, language)
        return Heard(request=text)

    def _count(self, action: Action | None) -> None:
        match action:
            case "wake_up":
                self.counts.wake_count += 1
            case "sleep":
                self.counts.end_count += 1
            case "ignored":
                self.counts.ignored_count += 1


def _longest_first(phrases: Phrases) -> Iterator[tuple[str, str]]:
    """Each language and phrase: where one holds another, the whole of it was meant."""
    pairs = [(language, phrase) for language, several in phrases.items() for phrase in several]
    yield from sorted(pairs, key=lambda pair: -len(pair[1]))
