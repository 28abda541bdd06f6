"""docs/engines.md, made from the facts beside the adapters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import get_args

from ..config.character import EngineKind
from ..engines.facts import EngineFacts
from ..engines.registry import DEFAULTS, facts_of, known

_ABOUT: Mapping[str, str] = {
    "llm": "Language models: `llm_provider`. Settings: [language-models.md](language-models.md).",
    "tts": "Speech synthesis: `tts_config.tts_model`. Settings: [synthesis.md](synthesis.md).",
    "asr": "Speech recognition: `asr_config.asr_model`. Settings: [recognition.md](recognition.md).",
    "vad": "Voice activity detection: `vad_config.vad_model`. [voice.md](voice.md).",
    "turn": "The end of a turn, by a model: `vad_config.turn_model` names its file. [voice.md](voice.md).",
    "translator": "Translation of what is spoken: `translator_config.translate_provider`. "
    "[translation.md](translation.md).",
}
"""Of each kind, what it is and where it is chosen."""

_HEAD = """\
# Engines

<!-- Made by `trio-backend engines --markdown`. Edit the FACTS beside each adapter instead. -->

**Answers:** Which engines are there? What does each need, what does a cancel do, and what was it tried with?

`trio-backend engines` says which of these are usable here and now, and what is missing for the others.
`trio-backend speak --tts NAME TEXT` and `trio-backend transcribe --asr NAME FILE` try one without editing
a file.

- **streams**: a language model or a voice hands out what it makes while it makes it; a recogniser recognises
  while one speaks.
- **cancel**: what happens to its work, at once, when the user interrupts.
- **extra**: of this package, or the packages that `pip` installs for it.
- **keys**: variables of the environment in which a key is looked for, if it is not in the file.
- **tried with**: what is at the other end in the tests of this project. “By its reference” and “by its code”
  are servers of ours that speak the service's format as its documentation, or its own program, has it; “by
  recordings of it” one that says what real ones said.
- **without it**: the engine that is used if the libraries are missing. Where none is named, the character
  says what is missing. The embedded engine is that of a configuration that names none.

[benchmarks/engines.md](../benchmarks/engines.md) has the time that each adapter of a service adds.
"""
_TAIL = """\
**Next:** [Language models](language-models.md), [Speech synthesis](synthesis.md) and
[Speech recognition](recognition.md) for their settings; [Fallbacks](fallbacks.md) for lists of them.
"""
_COLUMNS = ("name", "streams", "cancel", "needs", "extra", "keys", "tried with", "without it")


def document() -> str:
    """The whole file."""
    sections = (line for kind in get_args(EngineKind) for line in _section(kind))
    return "\n".join([_HEAD, *sections, _TAIL])


def _section(kind: EngineKind) -> Iterator[str]:
    yield f"## {kind}\n\n{_ABOUT[kind]}\n"
    yield f"| {' | '.join(_COLUMNS)} |\n|{' --- |' * len(_COLUMNS)}"
    for name in known(kind):
        facts = facts_of(kind, name)
        if facts is not None:
            yield f"| {' | '.join(_cells(kind, name, facts))} |"
    yield ""


def _cells(kind: EngineKind, name: str, facts: EngineFacts) -> Iterator[str]:
    yield f"`{name}`{' (embedded)' if name == DEFAULTS[kind] and kind != 'turn' else ''}"
    yield facts.streams
    yield facts.cancel
    yield facts.needs
    yield f"`{facts.extra}`" if facts.extra else ", ".join(f"pip: `{name}`" for name in facts.packages)
    yield ", ".join(f"`{key}`" for key in facts.keys)
    yield facts.tried
    yield f"`{facts.fallback}`" if facts.fallback else ""
