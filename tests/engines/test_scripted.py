"""The engine around the companion: its settings, its tokens, and what may be typed at it."""

from __future__ import annotations

import re
import threading
from pathlib import Path

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from trio_backend.engines.base import Message, Prompt, Text
from trio_backend.engines.llm import scripted
from trio_backend.engines.llm.companion.patterns import Pattern
from trio_backend.engines.llm.companion.talk import FARTHEST, LONGEST, read_talk
from trio_backend.engines.llm.scripted import ScriptedLlmConfig, configure
from trio_backend.engines.settings import Environment
from trio_backend.errors import EngineError, SettingsError

from .companion.dialogue import EMOTIONS, RULES, Dialogue, delivered, reply

HELLO = Prompt("", [Message("user", "hello")], "Mia", EMOTIONS)

NASTY = {
    "letters": "a" * 100_000,
    "words": "a " * 50_000,
    "frames": "i am " * 20_000,
    "clauses": "i like cats and i like dogs. " * 4_000,
    "spaces": " " * 100_000,
    "marks": "?!" * 50_000,
    "brackets": "[(" * 50_000,
    "digits": "1" * 100_000,
    "emoji": "😂" * 50_000,
    "Chinese": "我喜欢猫" * 25_000,
    "Chinese with spaces": "我 " * 50_000,
    "fillers": "a lot " * 20_000,
    "laughter": "hahaha" * 20_000,
    "templates": "{name} {, name} [joy] <hello> * $ ^ (a|b) \\1 %s " * 2_000,
    "control characters": "\x00\x1b[31m\u202e\ufeff\ud800" * 1_000,
}


@pytest.mark.parametrize("text", NASTY.values(), ids=NASTY.keys())
def test_whatever_is_typed_is_answered_from_what_is_read_of_it(text: str) -> None:
    """A message of 100 kB, thirty times, gives a reply; no more than the bounds of it is ever looked at."""
    prompt = Prompt("", [Message("user", text)] * 30, "Mia", EMOTIONS)
    talk = read_talk(prompt)

    assert reply(prompt).strip()
    assert all(len(turn.text) <= LONGEST for turn in talk.turns)
    assert sum(len(turn.text) for turn in talk.turns) <= FARTHEST + LONGEST


def test_of_an_endless_conversation_the_newest_part_is_read() -> None:
    """Ten thousand messages cost what some hundred do, and the last one is answered."""
    messages = [Message("user", f"I like number {n}") for n in range(10_000)]
    talk = read_talk(Prompt("", messages))

    assert talk.turns[-1].text == "I like number 9999"
    assert len(talk.turns) < 2_000


@given(
    texts=st.lists(
        st.text(max_size=60) | st.sampled_from(["hi", "我叫小明", "no", "tell me a joke", "2+2"]), max_size=6
    ),
    manner=st.sampled_from(["warm", "dry", "brief", "cheerful"]),
)
@settings(max_examples=60, deadline=None)
def test_any_conversation_has_replies_with_known_faces(texts: list[str], manner: str) -> None:
    """Never an empty reply, only emotions that the character has, no hole left open, twice the same."""
    first, second = (
        Dialogue(manner, emotions=("joy", "sadness")),
        Dialogue(manner, emotions=("joy", "sadness")),
    )
    for text in texts:
        said = first.say(text)

        assert said.strip()
        assert said == second.say(text)
        assert set(re.findall(r"\[([a-z]+)\] ", said)) <= {"joy", "sadness"} | set(
            re.findall(r"[a-z]+", text)
        )
    assert first.nudge().strip()


async def timed(companion: scripted.ScriptedLlm, prompt: Prompt) -> list[tuple[float, str]]:
    """The parts of its reply, and after how many seconds each came."""
    began = trio.current_time()
    async with companion.reply(prompt) as parts:
        return [(trio.current_time() - began, part.text) async for part in parts if isinstance(part, Text)]


async def test_a_reply_comes_as_if_typed(autojump_clock: trio.testing.MockClock) -> None:
    """The first word, clauses, then sentences, each when its last word would have been typed."""
    async with scripted.open(ScriptedLlmConfig(RULES, token_delay=0.5)) as companion:
        parts = await timed(companion, HELLO)

    assert "".join(text for _, text in parts) == reply(HELLO)
    typed, marks = 0, r"[.,:;!?…—]"
    for number, (at, text) in enumerate(parts):
        typed += len(text.split())
        assert at == pytest.approx(0.5 * typed)
        # Behind each mark something may be spoken: none waits for the words behind it.
        assert not re.search(rf"{marks}\s+\w", text)
        assert re.search(rf"{marks}\s*$", text) or number in (0, len(parts) - 1)
        if re.search(r"[.!?…]", text):
            marks = r"[.!?…]"
    assert marks == r"[.!?…]"
    assert len(parts[0][1].split()) == 1
    assert len(parts) < typed


async def test_chinese_is_typed_two_characters_at_a_time(autojump_clock: trio.testing.MockClock) -> None:
    """There are no spaces to cut at."""
    async with scripted.open(ScriptedLlmConfig(RULES, token_delay=0.5)) as companion:
        prompt = Prompt("", [Message("user", "你好")], "米娅")
        parts = await timed(companion, prompt)

    text = "".join(text for _, text in parts)
    assert text == reply(prompt)
    assert len(parts[0][1]) <= 2
    assert 0.25 * len(text) <= parts[-1][0] <= 0.5 * len(text)
    assert all(len(re.findall("[。！？]", text)) <= 1 for _, text in parts)
    first = re.split("(?<=[。！？])", text)[0]
    assert all(len(re.findall("[，、]", part)) <= 1 for _, part in parts if part in first)


async def test_the_rules_come_from_the_configuration_s_folder_or_with_the_package(tmp_path: Path) -> None:
    """A file of one's own next to the configuration wins; a name that is not there is an error."""
    environment = Environment(tmp_path, {})

    assert configure("scripted_llm", {}, environment).rules.name == "companion.yaml"
    (tmp_path / "mine.yaml").write_text(RULES.read_text(encoding="utf-8"), encoding="utf-8")
    assert configure("scripted_llm", {"rules": "mine.yaml"}, environment).rules == tmp_path / "mine.yaml"
    with pytest.raises(SettingsError, match="there is no file"):
        configure("scripted_llm", {"rules": "theirs.yaml"}, environment)
    with pytest.raises(SettingsError, match="token_delay: must be a number from 0 to 10"):
        configure("scripted_llm", {"token_delay": -1}, environment)


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"rules: [", "line"), (b"\xff\xfe\x00", "UTF-8"), (b"", "empty")],
    ids=["no YAML", "no text", "nothing"],
)
async def test_a_broken_rules_file_is_an_error_that_names_it(
    tmp_path: Path, content: bytes, message: str
) -> None:
    """The engine does not open, and says which file it is."""
    file = tmp_path / "mine.yaml"
    file.write_bytes(content)

    with pytest.raises(EngineError, match=message) as caught:
        async with scripted.open(ScriptedLlmConfig(file)):
            pass
    assert "mine.yaml" in str(caught.value)


async def test_an_unknown_manner_is_an_error_that_names_the_known_ones() -> None:
    """Manners are data: which there are is known when the file is read."""
    with pytest.raises(EngineError, match="known are: warm, cheerful, dry, brief"):
        async with scripted.open(ScriptedLlmConfig(RULES, manner="grumpy")):
            pass


async def test_who_speaks_at_once_has_patterns_compiled_off_the_loop(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: trio.testing.MockClock
) -> None:
    """In a thread, before the reply looks for the first of them."""
    compiled: list[threading.Thread] = []
    monkeypatch.setattr(Pattern, "compile", lambda _: compiled.append(threading.current_thread()))
    async with (
        scripted.open(ScriptedLlmConfig(RULES)) as llm,
        llm.reply(Prompt("", [Message("user", "Hello.")])) as parts,
    ):
        await parts.receive()
    assert len(compiled) == len(list(delivered().patterns()))
    assert threading.main_thread() not in compiled


async def test_patterns_are_compiled_once_the_start_is_over(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: trio.testing.MockClock
) -> None:
    """A start does not wait for that; and who speaks later does not, either."""
    compiled: list[Pattern] = []
    monkeypatch.setattr(Pattern, "compile", lambda pattern: compiled.append(pattern))
    began = trio.current_time()
    async with scripted.open(ScriptedLlmConfig(RULES)):
        assert trio.current_time() == began
        await trio.sleep(scripted.UNTIL_COMPILED / 2)
        for _ in range(1_000):
            await trio.lowlevel.checkpoint()  # in which a thread would have begun
        assert not compiled
        await trio.sleep(scripted.UNTIL_COMPILED / 2)
        nursery = trio.lowlevel.current_task().child_nurseries[-1]
        while nursery.child_tasks:
            await trio.lowlevel.checkpoint()  # a thread is at it, for which no clock of ours stands still
    assert trio.current_time() == began + scripted.UNTIL_COMPILED
    assert len(compiled) == len(list(delivered().patterns()))
