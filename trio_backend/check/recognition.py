"""What the recognisers of a character cannot do: their limits, and languages that they do not understand."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from ..config.character import CharacterConfig
from ..config.diagnostics import Finding
from ..config.folder import ConfigFolder
from ..engines.registry import embedded, facts_of
from ..text.scripts import CJK, HIRAGANA, KATAKANA

_KANA = re.compile(f"[{HIRAGANA}{KATAKANA}]")
_CJK = re.compile(f"[{CJK}]")
_WORD = re.compile(r"[A-Za-z]+")
_LANGUAGES: Mapping[str, str] = {"zh": "Chinese", "ja": "Japanese"}


def language_findings(character: CharacterConfig, folder: ConfigFolder) -> Iterator[Finding]:
    """A warning where a recogniser was chosen for ``character`` that does not understand its language.

    Where none was chosen, `CheckReport` says it: then it is no mistake in a file.
    """
    message = not_understood(character)
    if message and character.asr is not None:
        place = folder.place(character.file, "character_config.persona_prompt")
        yield Finding("warning", place.file, place.line, place.key, message)


def not_understood(character: CharacterConfig) -> str:
    """That the persona is in a language that no recogniser of ``character`` understands, and what to do."""
    spoken, names = _language(character.persona_prompt), recognisers(character)
    if not spoken or any(_understands(name, spoken) for name in names):
        return ""
    facts = facts_of("asr", names[0])
    language, remedy = _LANGUAGES[spoken], facts.better if facts is not None else ""
    return f"is {language}, which {names[0]} does not understand when it is spoken; {remedy}"


def recognisers(character: CharacterConfig) -> tuple[str, ...]:
    """The names of those that ``character`` has, the first choice first."""
    choice = character.asr or embedded("asr")
    return tuple(each.name for each in (choice, *choice.then))


def limits(characters: Iterable[CharacterConfig]) -> dict[str, str]:
    """What the recognisers of ``characters`` cannot do, by their names."""
    names = dict.fromkeys(name for each in characters for name in recognisers(each))
    facts = {name: facts_of("asr", name) for name in names}
    return {name: of.honestly for name, of in facts.items() if of is not None and of.limits}


def _understands(name: str, language: str) -> bool:
    facts = facts_of("asr", name)
    return facts is None or not facts.languages or language in facts.languages


def _language(persona: str) -> str:
    """Chinese or Japanese, where most of ``persona`` is that; each letter of them stands for a word."""
    if len(_CJK.findall(persona)) <= len(_WORD.findall(persona)):
        return ""
    return "ja" if _KANA.search(persona) else "zh"
