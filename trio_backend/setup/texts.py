"""`SetupTexts`: all that `init` says and writes, in one language; texts_en.py and the like hold them."""

from __future__ import annotations

from collections.abc import Mapping

import attrs


@attrs.frozen(kw_only=True)
class AskedTexts:
    """What is asked. Names in braces are filled in. A help is a line or two of at most 76 columns."""

    intro: str
    """``{folder}``, ``{command}``."""
    of_five: str
    """``{number}``."""
    language: str
    language_help: str
    name: str
    name_help: str
    name_wrong: str
    """``{most}``."""
    model: str
    model_help: str
    looked: str
    """``{host}``."""
    outcomes: Mapping[str, str]
    """By `LookOutcome`; of ``found`` there is none."""
    found_models: str
    """``{count}``, as of the next three."""
    found_voices: str
    found_recognisers: str
    found_nothing: str
    needs_recording: str
    model_menu: str
    voice_menu: str
    microphone: str
    microphone_help: str
    listening: str
    always: str
    by_name: str
    """``{name}``."""
    connect: str
    connect_help: str
    this_machine: str
    network: str
    options: Mapping[str, str]
    """What is said of an option, by its source; of the others, ``on_host``."""
    on_host: str
    """``{title}``, ``{host}``."""
    service: str
    which_service: str
    which_model: str
    """``{service}``."""
    key: str
    """``{service}``, ``{variable}``."""
    key_found: str
    """``{variable}``."""
    key_wrong: str
    choose: str
    """``{most}``."""
    more: str
    """``{source}``, ``{count}``."""
    not_offered: str
    """``{source}``, ``{remedy}``."""
    port_taken: str
    """``{taken}``, ``{port}``."""
    start: str
    stopped: str


@attrs.frozen(kw_only=True)
class ToldTexts:
    """What is said when all is answered."""

    written: str
    """``{folder}``."""
    kept: str
    """``{old}``."""
    secret: str
    checked: str
    wrong: str
    next_steps: str
    start: str
    talk: str
    change: str
    engines: str
    network: str
    """``{port}``."""
    no_local_model: str
    embedded_hearing: str


@attrs.frozen(kw_only=True)
class CommentTexts:
    """Comments in the files; each is one line, or several."""

    server_top: str
    """``{character}``."""
    check: str
    start: str
    engines: str
    speak: str
    variables: str
    host: str
    port: str
    first: str
    token: str
    no_token: str
    prompts: str
    all_characters: str
    human: str
    model: str
    other_model: str
    faster: str
    key_here: str
    key_elsewhere: str
    """``{variable}``."""
    base_url: str
    voice: str
    voice_value: str
    fallback: str
    hearing: str
    embedded_hearing: str
    character_top: str
    conf_name: str
    uid: str
    character_name: str
    face: str
    avatar: str
    persona: str
    manner: str
    own_voice: str
    wake: str
    wake_off: str
    idle: str


@attrs.frozen(kw_only=True)
class CharacterTexts:
    """The character that is suggested."""

    name: str
    face: str
    manner: str
    human_name: str
    persona: str
    """``{name}``."""
    hey: str
    """``{name}``: how it is called."""
    end_words: tuple[str, ...]
    greeting: str
    farewell: str


@attrs.frozen(kw_only=True)
class SetupTexts:
    """Everything in one language; ``title`` is what the language calls itself."""

    title: str
    asked: AskedTexts
    told: ToldTexts
    comments: CommentTexts
    character: CharacterTexts
