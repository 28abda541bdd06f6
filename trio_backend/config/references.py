"""What a configuration refers to outside itself: prompts, ``model_dict.json``, folders, certificates."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping

# Of a name that is too long, or holds a NUL, these say no, where the methods of `Path` raise.
from os.path import isdir, isfile
from pathlib import Path

import attrs

from ..errors import FileTooLarge
from .character import NUDGE
from .diagnostics import Finding, Findings, Location
from .files import FileCache
from .server_settings import OUR_PAGE
from .system import SystemConfig
from .tree import Table
from .wyoming import is_this_machine

HOST = "system_config.host"
EXPRESSIONS = "live2d_expression_prompt"
NUDGING = "proactive_speak_prompt"
KEYWORDS_GO_HERE = "[<insert_emomap_keys>]"

# Prompts for nudges, groups and tools: not part of the system prompt of a plain conversation.
ELSEWHERE = {"group_conversation_prompt", NUDGING, "mcp_prompt", "tool_guidance_prompt"}
# Nothing uses these yet, so a missing file is not worth a warning.
UNUSED = {
    "group_conversation_prompt": "several characters in one conversation are not here yet",
    "mcp_prompt": "characters have no tools yet",
    "tool_guidance_prompt": "characters have no tools yet",
}

# Bytes. A prompt of 1 MiB is longer than models read; the dictionary that is shipped has 2 kB.
MAX_PROMPT_SIZE = 2**20
MAX_MODELS_SIZE = 4 * 2**20


@attrs.frozen
class Prompts:
    """The texts of ``tool_prompts`` by key, in the order of the file; that of a missing file is empty."""

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


@attrs.frozen
class ModelEntry:
    """One entry: ``info`` is the entry as it stands, ``emotions`` its ``emotionMap`` in lower case."""

    info: Mapping[str, object]
    emotions: Mapping[str, int | str]


@attrs.frozen
class ModelDictionary:
    """``model_dict.json``: the good entries by name, and what is wrong with the others."""

    entries: Mapping[str, ModelEntry]
    findings: tuple[Finding, ...]


def _model_dictionary(data: bytes, shown: str) -> ModelDictionary:
    findings, location = Findings(), Location(shown)
    entries: dict[str, ModelEntry] = {}
    try:
        entries = dict(_models(json.loads(data), location, findings))
    except json.JSONDecodeError as error:
        findings.error(Location(shown, error.lineno), f"not valid JSON: {error.msg}, column {error.colno}")
    except (UnicodeDecodeError, RecursionError):
        findings.error(location, "not valid JSON", "save the file as UTF-8")
    return ModelDictionary(entries, findings.all)


def _models(entries: object, location: Location, findings: Findings) -> Iterator[tuple[str, ModelEntry]]:
    if not isinstance(entries, list):
        findings.error(location, "must be a list of entries, each with name, url and emotionMap")
        return
    seen: set[str] = set()
    for index, entry in enumerate(entries):
        at = location.inside(f"[{index}]", 0)
        if not isinstance(entry, dict) or not isinstance(name := entry.get("name"), str) or not name:
            findings.error(at, "the entry has no name", 'write "name": "…" into it')
        elif name in seen:
            findings.error(at.inside("name", 0), f"{name!r} stands here for the second time", "remove one")
        else:
            seen.add(name)
            yield name, ModelEntry(entry, dict(_emotions(entry, at, findings)))


def _emotions(
    entry: Mapping[str, object], at: Location, findings: Findings
) -> Iterator[tuple[str, int | str]]:
    if not isinstance(entry.get("url"), str):
        findings.error(at.inside("url", 0), "is missing or no text", 'write "url": "/live2d-models/…"')
    emotions = entry.get("emotionMap", {})
    if not isinstance(emotions, dict):
        findings.error(at.inside("emotionMap", 0), 'must map keywords to expressions, as in {"joy": 3}')
        return
    for keyword, value in emotions.items():
        if isinstance(value, int | str) and not isinstance(value, bool):
            yield keyword.lower(), value
        else:
            findings.error(at.inside(f"emotionMap.{keyword}", 0), "must be a whole number or a name")


def _prompt(data: bytes, _shown: str) -> str:
    text = data.decode("utf-8-sig")
    # The model reads the same, whatever system the file was written on.
    return text.replace("\r\n", "\n").replace("\r", "\n")


@attrs.frozen
class ReferencedFiles:
    """Reads prompts and ``model_dict.json``, again where they have changed. For one thread at a time."""

    _prompts: FileCache[str] = attrs.field(factory=lambda: FileCache(_prompt, MAX_PROMPT_SIZE), init=False)
    _models: FileCache[ModelDictionary] = attrs.field(
        factory=lambda: FileCache(_model_dictionary, MAX_MODELS_SIZE), init=False
    )

    def prompts(self, named: Mapping[str, str], section: Table, folder: Path, findings: Findings) -> Prompts:
        """The files that ``named`` names, from ``folder``. A missing one is a warning, and left out.

        ``section`` is where ``named`` was read from, for the locations of findings.
        """
        texts = {}
        for key, name in named.items():
            location = section.entries[key].location
            if key in UNUSED:
                findings.note(location, f"has no effect: {UNUSED[key]}")
            text = self._prompt(folder, name, location, findings)
            if text is None and key not in UNUSED:
                remedy = f"write it as prompts/utils/{name}.txt, or remove the key"
                findings.warning(location, f"there is no prompt {name!r}", remedy)
            texts[key] = text or ""
        return Prompts(texts)

    def _prompt(self, folder: Path, name: str, location: Location, findings: Findings) -> str | None:
        for path in (folder / "utils" / f"{name}.txt", folder / f"{name}.txt"):
            try:
                return self._prompts.read(path, name)
            except FileNotFoundError:
                continue
            except FileTooLarge:
                findings.error(location, f"prompts/{name}.txt is over 1 MiB")
            except (OSError, UnicodeDecodeError):
                findings.error(location, f"the prompt {name!r} cannot be read", "save it as a UTF-8 file")
            return ""
        return None if name else ""

    def models(self, path: Path, findings: Findings) -> Mapping[str, ModelEntry]:
        """All good entries of the model dictionary by name; a missing file is a warning."""
        location = Location(path.name)
        try:
            dictionary = self._models.read(path, path.name)
        except FileNotFoundError:
            findings.warning(location, "the file is missing", "without it no character has a face")
        except FileTooLarge:
            findings.error(location, "the file is over 4 MiB")
        except OSError as error:
            findings.error(location, f"cannot be read: {error.strerror}")
        else:
            findings.extend(dictionary.findings)
            return dictionary.entries
        return {}


def check_references(system: SystemConfig, table: Table, root: Path, findings: Findings) -> None:
    """Errors for what the server could not start with: keys that contradict each other, missing files.

    ``root`` is the folder of ``conf.yaml``.
    """

    def error(key: str, message: str, remedy: str) -> None:
        node = table.find(key)
        findings.error(
            node.location if node else table.location.inside(key, table.location.line), message, remedy
        )

    if system.pong_timeout <= system.ping_interval:
        error("pong_timeout", "is not longer than ping_interval", "a client must have time to answer a ping")
    if system.min_silence > system.max_silence:
        error(
            "min_silence",
            "is longer than max_silence",
            "a complete sentence ends sooner than an incomplete one",
        )
    named = system.frontend_dir not in ("", OUR_PAGE)
    if named and not isdir(root / Path(system.frontend_dir).expanduser()):
        error(
            "frontend_dir",
            f"there is no folder {system.frontend_dir!r}",
            f"relative paths start at {root.name}/",
        )
    _check_wyoming(system, table, findings)
    _check_characters(system, table, root, findings)
    _check_host(system, table, findings)
    pair = {"tls_certificate": system.tls_certificate, "tls_key": system.tls_key}
    for key, name in pair.items():
        if name and not all(pair.values()):
            error(key, "is of no use alone", "TLS needs both tls_certificate and tls_key")
        elif name and not isfile(root / Path(name).expanduser()):
            error(key, f"there is no file {name!r}", "give the path of a PEM file")


def _check_characters(system: SystemConfig, table: Table, root: Path, findings: Findings) -> None:
    """A warning where the folder of the other characters is named, and is not there."""
    name, node = system.config_alts_dir, table.find("config_alts_dir")
    # The default one need not be there: many have one character, and the key in their file all the same.
    if node and name != SystemConfig().config_alts_dir and not isdir(root / name):
        message = f"there is no folder {name!r}, and so no other characters"
        findings.warning(node.location, message, f"relative paths start at {root.name}/")


def _check_host(system: SystemConfig, table: Table, findings: Findings) -> None:
    node = table.find("host")
    if node and (message := without_token(system)):
        findings.warning(node.location, message, "set access_token, or listen on 127.0.0.1")


def without_token(system: SystemConfig) -> str:
    """What to warn of where other machines reach the server, and need no token; empty if there is nothing."""
    if system.access_token or is_this_machine(system.host):
        return ""
    return "whoever reaches this address needs no access_token to talk, and to read conversations"


def _check_wyoming(system: SystemConfig, table: Table, findings: Findings) -> None:
    settings, node = system.wyoming, table.find("wyoming.port")
    if settings.port is None or node is None:
        return
    if settings.port == system.port != 0:
        findings.error(node.location, "is the port of the server itself", "10700 is the custom for Wyoming")
    host = table.find("wyoming.host")
    if system.access_token and not settings.host:
        message = "is served to this machine alone, since Wyoming cannot send the access_token"
        findings.warning(node.location, message, "to serve others, name an address as wyoming.host")
    elif system.access_token and host is not None and not is_this_machine(settings.host):
        message = "whoever reaches this address needs no access_token here"
        findings.warning(host.location, message, "keep the port behind a firewall")
