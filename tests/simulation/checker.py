"""The one judge of a simulated story, however it came about.

What holds: exactly one end per start; nothing of a turn after its barge-in; the pieces of a sentence in
order, exactly one of them the last; silence within 50 ms of a barge-in, whatever the store does;
memory = history = heard; what somebody stopped who meant nothing goes on, and after words never;
nothing of a turn that was not committed;
nothing asked of the model twice; every refused message
told; a session that has ended leaves within a second, whatever the store does; at the end no engine, lease,
task, room or thread is left.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import attrs

from trio_backend.engines.base import Message
from trio_backend.history.store import StoredMessage
from trio_backend.text.lines import joined

from .clients import Note, SimulatedClient
from .provisional import SpeechCaller
from .world import Said, Store, World

SILENT_WITHIN = 0.05  # s after a barge-in
# Seconds of words that cannot be missed: shorter than this they may be no speech to the detector yet.
WORDS_HEARD_AFTER = 0.3
CLEAN_WITHIN = 1.0  # s after a client has left
_OF_A_TURN = ("audio", "backend-synth-complete", "force-new-message", "user-input-transcription")
_PART = re.compile(r"Reply \d+ part \d+")
_REPLY = re.compile(r"Reply (\d+) part")
_SAID = re.compile(r"(?:say|guess) [\w-]+\.\d+\.|spoken \d+\.")


@attrs.define
class SeenTurn:
    """A turn as its client saw it. ``cut`` is what the client said it had heard, where it barged in."""

    began: float
    sentences: list[str] = attrs.field(factory=list)
    pieces: Pieces = attrs.field(factory=lambda: Pieces())
    cut: str | None = None
    cut_again: str | None = None
    """What it says when it barges in after it was silenced: that counts where the turn was held."""
    ended: bool = False
    stopped_at: float | None = None
    """When somebody spoke."""
    resumes: SeenTurn | None = None
    """The same turn before somebody spoke, and meant nothing."""

    def before(self) -> list[list[str]]:
        """What of it may have been heard before it went on: up to the sentence that comes again."""
        if self.resumes is None:
            return [[]]
        whole = self.resumes.shown()
        if self.sentences and self.sentences[0] in whole:
            return [whole[: whole.index(self.sentences[0])]]
        return [whole] if self.sentences else [whole[:count] for count in range(len(whole) + 1)]

    def shown(self) -> list[str]:
        """All its sentences, each once."""
        return [*self.before()[-1], *self.sentences]

    def kept(self) -> set[tuple[str, ...]]:
        """What memory and history may hold of it, as the parts of replies; nothing is `()`."""
        kept = {parts(joined(before)) + since for before in self.before() for since in self._kept_since()}
        # It may have been stopped again before it went on.
        return kept if self.sentences or self.resumes is None else kept | self.resumes.kept()

    def _kept_since(self) -> set[tuple[str, ...]]:
        """As `kept`, of what came since it went on.

        Of a sentence whose last piece did not come, its beginning, up to any word.
        """
        choices = {parts(joined(self.sentences))}
        if (self.pieces.awaited is not None or self.pieces.broken_off) and self.sentences:
            *before, last = self.sentences
            words = last.split()
            choices |= {parts(joined([*before, " ".join(words[:count])])) for count in range(len(words) + 1)}
        return choices | {parts(cut) for cut in (self.cut, self.cut_again) if cut is not None}


@attrs.define
class Pieces:
    """The pieces of a turn's sentences, as they come."""

    awaited: int | None = None
    """The sentence whose last piece has not come."""
    broken_off: bool = False
    """Whether the last piece of the last sentence said only that no more comes of it."""
    stream: int | None = None
    """The piece that is to be the next binary frame; None where JSON is."""

    def audio(self, message: Mapping[str, Any]) -> str:
        """The next `audio` message; what is wrong with it."""
        number, first = message.get("sentence"), message["display_text"] is not None
        if first and self.awaited is not None:
            return f"sentence {number} began before sentence {self.awaited} had its last piece"
        if not first and (number is None or self.awaited != number or self.stream is not None):
            return f"a piece of sentence {number}, but sentence {self.awaited} is at hand"
        self.stream = 0 if message.get("stream") else None
        # What has no number is whole: a tone has no pauses to be cut at.
        self.awaited = None if message.get("last") else number
        self.broken_off = not first and message["audio"] is None
        return ""

    def frame(self, message: Mapping[str, Any]) -> str:
        """The next binary frame; what is wrong with it."""
        expected, self.stream = (self.awaited, self.stream), message["piece"] + 1
        if (message["sentence"], message["piece"]) != expected:
            return f"a binary frame {message}, but {expected} was to come"
        if message["last"]:
            self.awaited = self.stream = None
        self.broken_off = message["piece"] > 0 and not message["sounds"]
        return ""


def parts(text: str) -> tuple[str, ...]:
    """Which parts of replies are in ``text``; the text itself where there are none but something is said.

    Thoughts do not count: they are shown and stored, and the model is not reminded of them.
    """
    found = tuple(_PART.findall(text))
    said = text.replace("(hm.)", "").replace("[joy]", "").strip()
    return found or ((said,) if said else ())


@attrs.define(eq=False)
class ClientStory:
    """Reads a client's notes from the first to the last; `problems` are what may not be."""

    client: SimulatedClient
    problems: list[str] = attrs.field(factory=list)
    turns: list[SeenTurn] = attrs.field(factory=list)
    """Those of the present conversation."""
    loaded: list[tuple[str, ...]] = attrs.field(factory=list)
    """What the present conversation began with: the character's words in it."""
    _open: SeenTurn | None = None
    _stopped: SeenTurn | None = None
    _held: SeenTurn | None = None
    """What somebody has stopped who may mean nothing."""
    _barriers: list[tuple[int, float, str]] = attrs.field(factory=list)
    _heartbeats: int = 0
    _cut_at: float = -1.0
    """When somebody last barged in, as far as the client knows."""
    _acks: int = 0
    _interrupted: tuple[float, str] | None = None

    def read(self) -> ClientStory:
        """The whole story."""
        for note in self.client.notes:
            if note.how == "said":
                self._said(note)
            else:
                self._heard(note)
        return self

    @property
    def open_turn(self) -> SeenTurn | None:
        """A turn that has begun and not ended, as far as the client can know."""
        if self._open is not None and self._cut_at >= self._open.began:
            return None
        return self._open

    @property
    def whole_turns(self) -> list[SeenTurn]:
        """The turns, each once, however often it was stopped and went on."""
        stopped = [id(turn.resumes) for turn in self.turns if turn.resumes is not None]
        return [turn for turn in self.turns if id(turn) not in stopped]

    def words_between(self, first: float, last: float) -> bool:
        """Whether the client said words into its microphone in that time."""
        return any(
            first <= note.at <= last and max(note.message["audio"], default=0) == Said.WORDS.value
            for note in self.client.notes
            if note.how == "said" and note.type == "raw-audio-data"
        )

    def resumed(self) -> list[SeenTurn]:
        """What has gone on after somebody spoke."""
        return [turn for turn in self.turns if turn.resumes is not None and turn.sentences]

    def _problem(self, at: float, what: str) -> None:
        self.problems.append(f"{self.client.name} at {at:.3f} s: {what}")

    def _said(self, note: Note) -> None:
        if note.type == "interrupt-signal" and note.message.get("answers"):
            if self._stopped is not None:
                self._stopped.cut, self._stopped = note.message["text"], None
            return
        if note.type == "interrupt-signal":
            self._interrupted = note.at, note.message["text"]
            self._cut_at = note.at
            if self._open is not None and self._open.cut is None:
                self._open.cut = note.message["text"]
            elif self._stopped is not None:
                # The server has stopped it because somebody spoke, and now learns what was heard of it.
                self._stopped.cut, self._stopped = note.message["text"], None
            elif self._held is not None:
                self._held.cut_again = note.message["text"]
        elif note.type == "heartbeat":
            self._heartbeats += 1
            # In a room the heartbeat is answered by the room itself, and says nothing of the session.
            if self._interrupted is not None and not self.client.room:
                (at, text), self._interrupted = self._interrupted, None
                self._barriers.append((self._heartbeats, at, text))
        # The end of a playback may be told in between, and begins nothing.
        if note.type not in ("heartbeat", "interrupt-signal", "frontend-playback-complete"):
            self._interrupted = None

    def _heard(self, note: Note) -> None:
        message, in_room = note.message, bool(self.client.room)
        if note.type == "heartbeat-ack":
            self._acks += 1
            self._pass_barrier(note.at)
        elif note.is_control("conversation-chain-start"):
            if self._open is not None and self._open.cut is None and not in_room:
                self._problem(note.at, "a turn began while another had not ended")
            self._open, self._stopped = SeenTurn(note.at, resumes=self._held), None
            self._held = None
            self.turns.append(self._open)
        elif note.is_control("conversation-chain-end"):
            # In a room somebody else's barge-in may cross the end; and who comes late has missed the start.
            missed = in_room and (not self.turns or self._cut_at >= self.turns[-1].began)
            if self._open is None and not missed and not self._crossed(note.at):
                self._problem(note.at, "an end without a start")
            if self.turns:
                self.turns[-1].ended = True
            self._open = None
        elif note.is_control("interrupt") or note.type == "interrupt-signal":
            self._cut_at = note.at
            if self._open is None and self.turns and not self.turns[-1].ended:
                self._held = self.turns[-1]
            if self._open is not None:
                self._open.cut = self._open.cut or ""
                self._open.stopped_at = note.at
                self._stopped, self._open = self._open, None
                self._held = self._stopped
        elif note.type in ("audio", "sound"):
            self._heard_sound(note)
        elif note.type == "backend-synth-complete" and self._open is not None and self._open.pieces.awaited:
            self._problem(note.at, f"all sound was sent, but the last piece of {self._open.pieces.awaited}")
        elif note.type == "full-text" and message["text"] == "Thinking..." and self._open is not None:
            # It is no turn that goes on: that one is over.
            self._open.resumes = None
        elif note.type in _OF_A_TURN or (note.type == "full-text" and message["text"] == "Thinking..."):
            if self._open is None and not in_room and not self._crossed(note.at):
                self._problem(note.at, f"{note.type} outside of a turn")
        elif note.type in ("new-history-created", "config-switched"):
            self.turns, self.loaded, self._held = [], [], None
        elif note.type == "history-data":
            self.turns, self._held = [], None
            said = [one["content"] for one in message["messages"] if one["role"] == "ai"]
            self.loaded = [found for content in said if (found := parts(content))]

    def _crossed(self, at: float) -> bool:
        """Whether the end of a turn may have been on its way when somebody spoke, or barged in.

        Of an utterance in which nothing was said there is nothing but the end.
        """
        if not self.turns or self.turns[-1].ended:
            return False
        last = self.turns[-1]
        return last.stopped_at == at or (last.cut is not None and not last.sentences and last.began == at)

    def _heard_sound(self, note: Note) -> None:
        message, turn = note.message, self._open
        if turn is None:
            if not self.client.room:
                self._problem(note.at, f"a sentence outside of a turn: {message.get('display_text')}")
            return
        wrong = turn.pieces.frame(message) if note.type == "sound" else turn.pieces.audio(message)
        # Who comes into a room in the middle of a turn, or interrupts in it, may have missed what was before.
        if wrong and not self.client.room:
            self._problem(note.at, wrong)
        if note.type == "audio" and message["display_text"] is not None:
            turn.sentences.append(message["display_text"]["text"])

    def _pass_barrier(self, at: float) -> None:
        for barrier in list(self._barriers):
            number, asked_at, text = barrier
            if number > self._acks:
                break
            self._barriers.remove(barrier)
            if at - asked_at > SILENT_WITHIN:
                self._problem(at, f"silent only {at - asked_at:.3f} s after a barge-in")
            # What began before the answer began before the barge-in: nothing else was said in between.
            if self._open is not None:
                self._open.cut = self._open.cut or text
                self._open = None


def check_client(client: SimulatedClient) -> list[str]:
    """What is wrong with what one client saw, whether it is still here or has left."""
    story = ClientStory(client).read()
    problems = story.problems
    shown = [
        _PART.findall(sentence)[0]
        for turn in story.whole_turns
        for sentence in turn.shown()
        if _PART.search(sentence)
    ]
    for turn in story.resumed():
        since = turn.resumes.stopped_at if turn.resumes is not None else None
        if since is not None and story.words_between(since, turn.began - WORDS_HEARD_AFTER):
            problems.append(f"{client.name} at {turn.began:.3f} s: it went on, though words were said")
    problems += [f"{client.name}: {part!r} came twice" for part, count in Counter(shown).items() if count > 1]
    if client.closed_with not in (None, 1000, 1001):
        problems.append(f"{client.name}: the server closed the connection with {client.closed_with}")
    if client.left_at is not None and client.gone_at - client.left_at > CLEAN_WITHIN + 1e-6:
        problems.append(f"{client.name}: {client.gone_at - client.left_at:.3f} s to clean up")
    return problems


def check_settled(client: SimulatedClient) -> list[str]:
    """What is wrong with a client who is still here, once everything has had the time to end."""
    story = ClientStory(client).read()
    problems = []
    if story.open_turn is not None:
        problems.append(f"{client.name}: a turn that began at {story.open_turn.began:.3f} s has no end")
    told = [
        note
        for note in client.notes
        if note.type == "error" and note.message.get("code") in ("bad-message", "unknown-type")
    ]
    if len(told) < client.junk:
        problems.append(f"{client.name}: {client.junk} wrong messages, and {len(told)} errors")
    return problems


def check_conversation(
    client: SimulatedClient, remembered: Sequence[Message], stored: Sequence[StoredMessage], *, reliable: bool
) -> list[str]:
    """Memory = history = heard, for a client's present conversation, while no turn runs.

    ``reliable``: the store fails never, and nobody else writes this conversation.
    """
    story = ClientStory(client).read()
    in_memory = [
        said for message in remembered if message.role == "assistant" if (said := parts(message.content))
    ]
    on_disk = [said for message in stored if message.role == "ai" if (said := parts(message.content))]
    problems = []
    if not _fits(in_memory[len(story.loaded) :], story.whole_turns):
        problems.append(
            f"remembered {in_memory}, but the turns were {[turn.kept() for turn in story.whole_turns]}"
        )
    if reliable and in_memory != on_disk:
        problems.append(f"remembered {in_memory}, but stored {on_disk}")
    heard = [_SAID.findall(message.content) for message in remembered if message.role == "user"]
    written = [_SAID.findall(message.content) for message in stored if message.role == "human"]
    if reliable and heard != written:
        problems.append(f"the user's words are remembered as {heard}, and stored as {written}")
    flat = [one for found in heard for one in found]
    if len(set(flat)) < len(flat):
        problems.append(f"the user's words are remembered twice: {flat}")
    return [f"{client.name}: {problem}" for problem in problems]


def check_prompts(client: SimulatedClient, remembered: Sequence[Message], world: World) -> list[str]:
    """What the character said was its answer to what had been said before, and to nothing else."""
    if ClientStory(client).read().loaded:
        return []  # what is read from the store has thoughts in it, and names
    # Who barges in late says what was heard of an earlier turn, and is believed.
    heard = {note.message["text"] for note in client.notes if note.type == "interrupt-signal"}
    problems = []
    for at, message in enumerate(remembered):
        if message.content in heard:
            continue
        number = _REPLY.search(message.content)
        if message.role == "assistant" and number is not None:
            before = tuple(one.content for one in remembered[:at])
            read = world.asked[int(number[1])].read
            if before and read[-len(before) :] != before:
                problems.append(
                    f"{client.name}: {message.content!r} answers {read}, and was said after {before}"
                )
    return problems


def check_last_words(client: SimulatedClient, store: Store) -> list[str]:
    """What is wrong with what is stored of a client who has left, or was cut.

    The store is quick and reliable. Clients of rooms, and those who changed conversations, are left out.
    """
    story = ClientStory(client).read()
    spoke = client.spoke or any(note.type == "mic-audio-end" for note in client.notes)
    mine = re.compile(rf"(?:say|guess) {re.escape(client.name)}\.\d+\.{'|spoken' if spoke else ''}")
    kept = [
        one.messages
        for one in store._conversations.values()
        if any(mine.search(m.content) for m in one.messages)
    ]
    if len(kept) > 1 or not story.turns:
        return []
    stored = kept[0] if kept else []
    said = [found for message in stored if message.role == "ai" if (found := parts(message.content))]
    problems = []
    # The last sentence may have been on its way when the connection ended.
    whole = said[-1][:-1] if said else ()
    if not _fits(said, story.whole_turns) and not _fits(
        [*said[:-1], *([whole] if whole else [])], story.whole_turns
    ):
        problems.append(
            f"{client.name} has left: stored {said}, "
            f"but the turns were {[turn.kept() for turn in story.whole_turns]}"
        )
    thinking = [
        note for note in client.notes if note.type == "full-text" and note.message["text"] == "Thinking..."
    ]
    asked = [message for message in stored if message.role == "human"]
    if not spoke and len(asked) < len(thinking):
        problems.append(
            f"{client.name} has left: {len(thinking)} turns had begun, {len(asked)} questions are stored"
        )
    return problems


def _fits(kept: Sequence[tuple[str, ...]], turns: Sequence[SeenTurn]) -> bool:
    """Whether each of ``kept`` is one turn's, in order, each turn has at most one, and none is missing."""
    # The few possibilities are walked through: positions in ``kept`` that can be reached after each turn.
    reached = {0}
    for turn in turns:
        choices = turn.kept()
        following = {at for at in reached if () in choices}
        following |= {at + 1 for at in reached if at < len(kept) and kept[at] in choices}
        reached = following
    return len(kept) in reached


def check_rooms(clients: Sequence[SimulatedClient], world: World) -> list[str]:
    """Nothing is asked of a model twice, and one client's messages are asked in their order."""
    problems = []
    asked = [found for one in world.asked if not one.nudge for found in _SAID.findall(one.request)]
    for text, count in Counter(asked).items():
        # Of a list, each model may be asked.
        if count > 1 + world.has_lists and text.startswith("say"):
            problems.append(f"{text!r} was asked {count} times")
    for client in clients:
        mine = [int(number) for number in _numbers(asked, client.name)]
        if client.room and mine != sorted(mine):
            problems.append(f"{client.name}: asked in the order {mine}")
    problems += [
        f"a user's words were taken for a nudge: {one.request!r}"
        for one in world.asked
        if one.nudge and _SAID.search(one.request)
    ]
    return problems


def check_provisional(caller: SpeechCaller, world: World, remembered: Sequence[str]) -> list[str]:
    """Of a turn that was begun provisionally, and not committed, nobody knows anything."""
    kept = [message.content for one in world.store._conversations.values() for message in one.messages]
    shown = [
        note.message["display_text"]["text"]
        for note in caller.client.notes
        if note.type == "audio" and note.message["display_text"] is not None
    ]
    problems = []
    for text in caller.texts:
        if text in caller.wanted:
            continue
        name = f"{caller.client.name}: {text!r} was not committed"
        problems += [f"{name}, and is stored" for content in kept if text in content]
        problems += [f"{name}, and is remembered" for content in remembered if text in content]
        numbers = [one.number for one in world.asked if text in one.request]
        problems += [
            f"{name}, and was answered: {said}"
            for said in shown
            for number in numbers
            if f"Reply {number} " in said
        ]
    return problems


def _numbers(asked: Sequence[str], name: str) -> Iterator[str]:
    for text in asked:
        found = re.fullmatch(rf"say {re.escape(name)}\.(\d+)\.", text)
        if found:
            yield found[1]
