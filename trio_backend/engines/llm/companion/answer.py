"""The companion's reply: what fits is chosen from, and put together."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from itertools import groupby
from typing import Generic, TypeVar

import attrs

from ...base import Prompt
from .matching import Matcher
from .reading import TOPIC
from .rules import ANY_MANNER, Companion, CompanionQuestion, Manner, Sayings
from .talk import Talk, TurnReadings, read_talk
from .templates import Template
from .understanding import Match, read_conversation

T = TypeVar("T")


@attrs.frozen
class Option(Generic[T]):
    """One thing that might be said, and for what. ``common`` if it is not of the manner's own."""

    owner: T
    template: Template | None = None
    common: bool = False


@attrs.frozen
class VariantChoice:
    """Chooses for one conversation and one manner."""

    talk: Talk
    manner: str

    def options(self, owner: T, sayings: Sayings, values: Mapping[str, str]) -> list[Option[T]]:
        """The variants of which all values are known."""
        return [
            Option(owner, template, common=name == ANY_MANNER)
            for name in (self.manner, ANY_MANNER)
            for template in sayings.by_manner.get(name, ())
            if template.needs <= values.keys()
        ]

    def pick(self, options: Sequence[Option[T]]) -> Option[T] | None:
        """One of ``options``: of the manner's own, of the common ones, or else the one said longest ago."""
        fresh = [option for option in options if self.talk.last_said(option.template) < 0]
        best = [option for option in fresh if not option.common] or fresh
        if best:
            return best[self.talk.pick(f"variant {_source(best[0])}", len(best))]
        return min(options, key=lambda option: self.talk.last_said(option.template), default=None)


def _source(option: Option[T]) -> str:
    return option.template.source if option.template else ""


GRAVE = 90
"""From this rank on a reply has no greeting before it."""

ASIDES = 2
"""How much of a message is answered in passing at most."""

_SENTENCE_END = re.compile(r"[.!?…]+(?:[\"')]*\s|[\"')]*$)|[。！？]+")
_FULL_WIDTH = "。！？…”」』）"
_CLOSING = " \"'”’」』)）"


def answer(
    companion: Companion,
    prompt: Prompt,
    manner: str,
    readings: TurnReadings | None = None,
    now: datetime | None = None,
) -> Generator[str, None, None]:
    """The reply to ``prompt`` as the last item, with empty ones before it.

    Each item is at most some milliseconds of work, so that an event loop can breathe in between. The
    reply is always the same for the same prompt and time, and never empty where the rules have something
    for the event ``nothing``. ``manner`` is the name of one of the companion's. With the ``readings`` of this
    companion's earlier replies only what is new is read; the reply is the same without. ``now`` is the time
    where it is; without one it knows none.
    """
    talk = read_talk(prompt, readings)
    conversed = yield from read_conversation(companion, talk)
    matcher = Matcher(conversed, prompt.character, companion.desk, now)
    choice = VariantChoice(talk, manner)
    face = partial(companion.face, emotions=prompt.emotions)
    yield _ReplyComposer(matcher, choice, companion.manners[manner], face).composed()


@attrs.define(eq=False)
class _ReplyComposer:
    """Puts one reply together."""

    _matcher: Matcher
    _choice: VariantChoice
    _manner: Manner
    _face: Callable[[str], str]
    _parts: list[str] = attrs.field(factory=list, init=False)

    def composed(self) -> str:
        """What is said in passing, the reply itself, and a question back, as far as there is room."""
        fitting = self._matcher.fitting()
        groups = groupby(fitting, key=lambda match: (match.order, match.clause))
        chosen = next((option for _, group in groups if (option := self._option(group))), None)
        if chosen is None:
            return ""
        passed: list[Option[Match]] = []
        if chosen.owner.rule.rank < GRAVE:
            room = max(1, self._manner.sentences - _sentences(chosen.template))
            passed = self._passed(fitting, chosen.owner, room=room)
        # What was asked after the main question is answered after it.
        later = [
            option
            for option in passed
            if option.owner.rule.due and option.owner.clause > chosen.owner.clause >= 0
        ]
        for option in (*(one for one in passed if one not in later), chosen, *later):
            self._say(option.template, option.owner.values)
        self._ask(chosen.owner)
        text = _together(self._parts)
        return text[:1].upper() + text[1:]

    def _option(self, rivals: Iterable[Match]) -> Option[Match] | None:
        """What one of these equally good rules says; None if none of them can say anything now."""
        options: list[Option[Match]] = []
        for match in rivals:
            rule = match.rule
            if rule.then and not self._question(rule.then, match.values, again=True):
                continue
            options += self._choice.options(match, rule.say, match.values)
            options += [Option(match)] if rule.then and not rule.say else []
        return self._choice.pick(options)

    def _passed(self, fitting: Sequence[Match], main: Match, *, room: int) -> list[Option[Match]]:
        """What the rules for other clauses, and for events, say in passing, in the order of the clauses.

        Of a rule that is `due` and has nothing for that it is what it says anyway: the second question of a
        message is answered, too.
        """
        elsewhere = [match for match in fitting if match.clause != main.clause or match.rule.event]
        best = {match.clause: match for match in reversed(elsewhere) if match.rule.aside or match.rule.due}
        others = sorted(best.values(), key=lambda match: match.order, reverse=True)
        passed: list[Option[Match]] = []
        for match in others[:ASIDES]:
            sayings = match.rule.aside or match.rule.say
            option = self._choice.pick(self._choice.options(match, sayings, match.values))
            if option is None or match.rule.name == main.rule.name:
                continue
            if match.rule.due or _sentences(option.template) <= room:
                room -= _sentences(option.template)
                passed.append(option)
        return sorted(passed, key=lambda option: option.owner.clause)

    def _ask(self, match: Match) -> None:
        """The question that belongs to the rule, or one back as often as the manner likes to ask."""
        rule = match.rule
        if rule.then:
            question = self._question(rule.then, match.values, again=True)
        elif self._asks_back():
            question = self._question(rule.ask, match.values, again=False)
        else:
            question = None
        if question:
            self._say(question.template, match.values)

    def _asks_back(self) -> bool:
        text = _together(self._parts)
        if text.rstrip(_CLOSING)[-1:] in ("?", "？") or _ends(text) >= self._manner.sentences:
            return False
        return self._matcher.talk.pick("ask back", 100) < self._manner.asks

    def _question(
        self, names: Sequence[str], values: Mapping[str, str], *, again: bool
    ) -> Option[CompanionQuestion] | None:
        """The first of these that was not asked yet; with ``again`` also one that was."""
        questions = self._matcher.language.questions
        for name in names:
            topics = [question for question in questions.values() if question.topic]
            options = [
                option
                for question in (topics if name == TOPIC else [questions[name]])
                if not any(self._matcher.known(kind) for kind in question.unless)
                for option in self._choice.options(question, question.ask, values)
                if (again and name != TOPIC) or not self._was_asked(option)
            ]
            if picked := self._choice.pick(options):
                return picked
        return None

    def _was_asked(self, option: Option[CompanionQuestion]) -> bool:
        """Whether the question was asked before; of one that may be asked `again`, in these words."""
        question = option.owner
        asked = [option.template] if question.again and option.template else question.ask.all
        return any(self._matcher.talk.last_said(template) >= 0 for template in asked)

    def _say(self, template: Template | None, values: Mapping[str, str]) -> None:
        if template is None:
            return
        # Whoever hears their name in every sentence feels talked at: not twice in three replies.
        lately = " ".join([*self._matcher.talk.said[-2:], *self._parts])
        spent = [name for name, value in values.items() if value in lately]
        self._parts.append(template.render(values, self._shown, spent=spent))

    def _shown(self, keyword: str) -> str:
        """How the character's face is told of an emotion; nothing if it shows that already."""
        face = self._face(keyword)
        return "" if any(face in part for part in self._parts) else face


def _together(parts: Sequence[str]) -> str:
    """The parts as they are written: with a space between them, but not behind Chinese punctuation."""
    text = ""
    for part in parts:
        text += part if not text or text[-1] in _FULL_WIDTH else f" {part}"
    return text


def _sentences(template: Template | None) -> int:
    return max(1, _ends(template.source)) if template else 1


def _ends(text: str) -> int:
    return len(_SENTENCE_END.findall(text))
