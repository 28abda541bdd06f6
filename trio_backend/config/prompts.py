"""The prompts that stand in files: appended to the persona, or kept for an occasion of their own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import attrs

from .character import NUDGE
from .document import Table
from .finding import Findings, Place
from .reading import FileTooLarge, read_file

EXPRESSIONS = "live2d_expression_prompt"
NUDGING = "proactive_speak_prompt"
KEYWORDS_GO_HERE = "[<insert_emomap_keys>]"

# These are for an occasion, or for tools; a character that is just conversing does not read them.
ELSEWHERE = {"group_conversation_prompt", NUDGING, "mcp_prompt", "tool_guidance_prompt"}
# Their occasion cannot arise yet, so that nobody misses their files.
UNUSED = {"group_conversation_prompt", "mcp_prompt", "tool_guidance_prompt"}

MAX_SIZE = 2**20


@attrs.frozen
class Prompts:
    """The texts of ``tool_prompts``, by the prompt's key, in the order of the file."""

    texts: Mapping[str, str]

    def system_prompt(self, persona: str, emotions: Iterable[str]) -> str:
        """The persona, then each prompt; how to show emotions only where there are some to show."""
        keywords = ", ".join(f"[{emotion}]" for emotion in emotions)
        parts = [persona.strip()]
        for key, text in self.texts.items():
            if key == EXPRESSIONS and keywords:
                parts.append(text.replace(KEYWORDS_GO_HERE, keywords).strip())
            elif key != EXPRESSIONS and key not in ELSEWHERE:
                parts.append(text.strip())
        return "\n\n".join(part for part in parts if part)

    @property
    def nudge(self) -> str:
        """What asks the character to speak of its own accord."""
        return self.texts.get(NUDGING, "").strip() or NUDGE


def read_prompts(named: Mapping[str, str], section: Table, folder: Path, findings: Findings) -> Prompts:
    """The files that ``named`` names, from ``folder``. A missing one is a warning, and left out.

    ``section`` is where ``named`` was read from, for the places of findings.
    """
    texts = {}
    for key, name in named.items():
        place = section.entries[key].place
        text = _read(folder, name, place, findings)
        if text is None and key not in UNUSED:
            remedy = f"write it as prompts/utils/{name}.txt, or remove the key"
            findings.warning(place, f"there is no prompt {name!r}", remedy)
        texts[key] = text or ""
    return Prompts(texts)


def _read(folder: Path, name: str, place: Place, findings: Findings) -> str | None:
    for path in (folder / "utils" / f"{name}.txt", folder / f"{name}.txt"):
        try:
            text = read_file(path, MAX_SIZE).decode("utf-8-sig")
            return text.replace("\r\n", "\n").replace("\r", "\n")
        except FileNotFoundError:
            continue
        except FileTooLarge:
            findings.error(place, f"prompts/{name}.txt is over 1 MiB")
        except (OSError, UnicodeDecodeError):
            findings.error(place, f"the prompt {name!r} cannot be read", "save it as a UTF-8 file")
        return ""
    return None if name else ""
