"""The text of `prove voice`: who says what, and where they pause."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

import attrs

Kind: TypeAlias = Literal[
    "finished", "paused", "trailing", "number", "filler", "interruption", "backchannel", "cough", "choppy"
]


@attrs.frozen
class SpokenPiece:
    """Words that are said without a pause, and the seconds of silence after them."""

    text: str
    pause: float = 0.0


@attrs.frozen
class SpokenLine:
    """What is to be said, how: ``speaker`` is one of espeak-ng's, ``speed`` in words a minute."""

    kind: Kind
    pieces: Sequence[SpokenPiece]
    speaker: str = "en-us+m3"
    speed: int = 165
    noisy: bool = False


SPEAKERS = ("en-us+m3", "en-gb+f2", "en-us+f4", "en-gb+m7", "en-us+m1", "en-gb+f3")
SPEEDS = (165, 150, 180, 170, 145, 190)

FINISHED = (
    "What is the weather like in Lisbon today?", "Tell me something about the moon.",
    "I have lived in this town for nine years.", "Could you turn the music down a little?",
    "My sister arrives on the evening train.", "How do I bake a simple loaf of bread?",
    "Please remind me of the meeting tomorrow.", "That was a wonderful concert last night.",
    "Where did you put the blue umbrella?", "We should paint the kitchen next weekend.",
)  # fmt: skip
# A silence, and on both sides what belongs together: from a breath to somebody who thinks.
PAUSED = (
    ("I would like to book a table for,", 0.2, "four people on Friday."),
    ("The book that you gave me is,", 0.3, "about a lighthouse keeper."),
    ("Can you tell me how far it is from,", 0.4, "Vienna to the sea?"),
    ("When I was young we used to go to,", 0.5, "a lake in the mountains."),
    ("Put milk, eggs and,", 0.6, "some butter on my list."),
    ("What I really wanted to ask is,", 0.7, "whether you can whistle."),
    ("The name of the street is,", 0.8, "something with a flower."),
    ("He told her that the,", 0.9, "engine would not start."),
    ("I think my favourite film is,", 1.0, "the one with the clocks."),
    ("Let me see, the answer is,", 1.2, "probably forty two."),
)
TRAILING = (
    ("I went to the market and", 0.5, "bought a basket of cherries."),
    ("It was raining but", 0.7, "we went for a walk."),
    ("I could not come because", 0.9, "the bus was late."),
    ("We can meet at six or", 1.1, "a little later."),
)
NUMBERS = (
    ("My number is five five five,", 0.5, "one two three,", 0.6, "four four."),
    ("The code is seven nine,", 0.7, "zero two,", 0.4, "eight."),
)
FILLERS = (
    ("I am looking for um", 0.6, "a present for my uncle."),
    ("So uh", 0.8, "how does this work?"),
)
INTERRUPTIONS = (
    "Stop, I have another question for you.", "Wait a moment, that is not what I meant.",
    "No, please tell me about something else.", "Hold on, let us talk about dinner.",
)  # fmt: skip
BACKCHANNELS = ("uh-huh", "mm-hmm", "yeah", "okay", "right", "I see")
COUGHS = 4
# Something is to follow after each, and it does while the model, or the voice, is at work for what was said.
CHOPPY = (
    ("the red one and,", 0.3, "the green one and,", 0.5, "the small one or,", 0.75, "the tall one and,", 0.9,
     "the old one but,", 1.1, "the new one."),
)  # fmt: skip


def lines() -> Sequence[SpokenLine]:
    """All of the corpus, coughs aside; every third in a noisy room, each by another speaker than the last."""
    found: list[SpokenLine] = []

    def add(kind: Kind, *pieces: SpokenPiece) -> None:
        number = len(found)
        speaker, speed = SPEAKERS[number % len(SPEAKERS)], SPEEDS[number % len(SPEEDS)]
        found.append(SpokenLine(kind, pieces, speaker, speed, noisy=number % 3 == 2))

    def add_rows(kind: Kind, rows: Sequence[Sequence[Any]]) -> None:
        for row in rows:
            pauses = (*row[1::2], 0.0)
            add(kind, *(SpokenPiece(text, pause) for text, pause in zip(row[::2], pauses, strict=True)))

    add_rows("finished", [(text,) for text in FINISHED])
    add_rows("paused", PAUSED)
    add_rows("trailing", TRAILING)
    add_rows("number", NUMBERS)
    add_rows("filler", FILLERS)
    add_rows("interruption", [(text,) for text in INTERRUPTIONS])
    add_rows("backchannel", [(text,) for text in BACKCHANNELS])
    add_rows("choppy", CHOPPY)
    return found
