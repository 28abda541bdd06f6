"""CPU of the companion's whole reply as a conversation grows, and its longest step on the event loop.

``python benchmarks/companion.py [turns]``. One conversation for each manner and length of the user's texts,
with the default budget of memory; compared are its first 50 turns and its last 50. Sending the reply
is not measured.
"""

from __future__ import annotations

import gc
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import attrs

from trio_backend.config.system import SystemConfig
from trio_backend.conversation.memory import Memory
from trio_backend.engines.base import Message, Prompt
from trio_backend.engines.llm.companion.answer import answer
from trio_backend.engines.llm.companion.files import load_companion
from trio_backend.engines.llm.companion.rules import Companion
from trio_backend.engines.llm.companion.understanding import TurnReadings

RULES = Path(__file__).parents[1] / "conf" / "companion.yaml"
BUDGET = SystemConfig().memory_budget
EMOTIONS = ("neutral", "anger", "disgust", "fear", "joy", "smirk", "sadness", "surprise")
SPAN = 50  # turns at each end that are compared

TEXTS = {
    "short": ("Hello", "How are you?", "I like cats", "tell me a joke", "why?", "ok", "My name is Ann", "no"),
    "long": tuple(
        f"Well, yesterday I was in {place} with my sister, and it rained all day, so we sat in a café and "
        f"talked about {topic} until the lights went out. I think that she is happier than I am, because she "
        "likes what she does and I am not sure that I do. What would you do in my place?"
        for place in ("Paris", "the mountains", "our old town")
        for topic in ("music", "our parents", "the sea")
    ),
    "Chinese": (
        "你好",
        "我喜欢猫",
        "今天好累啊,你呢?",
        "讲个笑话",
        "我叫小明",
        "为什么",
        "我昨天和妹妹去了巴黎,下了一整天的雨。",
    ),
    "fillers": ("i like a lot " + "a lot " * 120, "我很喜欢" + "一个一个" * 100),
    # As much as is read of a message, all of it clauses that rules fit.
    "longest": ("i like cats and my name is Ann. " * 25,),
}


@attrs.frozen
class Cost:
    """Milliseconds: of CPU for a whole reply, and of the longest step between two checkpoints."""

    whole: float
    step: float


def cost(steps: Iterator[str]) -> tuple[str, Cost]:
    """One reply, and what it costs."""
    reply, longest = "", 0.0
    began = before = time.thread_time()
    for step in steps:
        reply, now = step, time.thread_time()
        longest, before = max(longest, now - before), now
    return reply, Cost((time.thread_time() - began) * 1000, longest * 1000)


def converse(companion: Companion, manner: str, texts: Sequence[str], turns: int) -> list[Cost]:
    """What each reply of one conversation costs."""
    memory, readings, costs = Memory(BUDGET), TurnReadings(), []
    for turn in range(turns):
        # No two turns are the same, or most of a conversation would be about the repetition.
        memory.hear(Message("user", f"{texts[turn % len(texts)]} {turn}"))
        prompt = Prompt("", memory.so_far(), "Mia", EMOTIONS)
        said, took = cost(answer(companion, prompt, manner, readings))
        memory.say(said)
        costs.append(took)
    return costs


def main() -> None:
    """See the module."""
    gc.disable()  # a collection of all objects takes 16 ms, now and then, in whichever step it comes
    turns = int((sys.argv[1:] or ["500"])[0])
    companion = load_companion(RULES)
    print("milliseconds of CPU for a reply; median of the first turns and of the last ones")
    print("texts    manner       first     last  ratio     p99   worst  longest step")
    for name, texts in TEXTS.items():
        for manner in companion.manners:
            costs = converse(companion, manner, texts, turns)
            first = statistics.median(took.whole for took in costs[:SPAN])
            last = statistics.median(took.whole for took in costs[-SPAN:])
            whole = sorted(took.whole for took in costs)
            step = max(took.step for took in costs)
            print(
                f"{name:8} {manner:9} {first:8.2f} {last:8.2f} {last / first:6.2f} "
                f"{whole[int(len(whole) * 0.99)]:7.2f} {whole[-1]:7.2f} {step:13.2f}"
            )


if __name__ == "__main__":
    main()
