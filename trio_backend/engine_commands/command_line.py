"""The commands of this package, as cli.py has them; what they need is imported when they are called."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from ..running import run_until_interrupted


def _check_settings(_type: object, given: list[str] | None) -> None:
    for text in given or ():
        if not text.partition("=")[0].strip() or "=" not in text:
            raise ValueError(f"{text!r} must be a setting and its value, as in voice=en-us.")


EngineSettings = Annotated[list[str] | None, Parameter(name="--set", validator=_check_settings, negative="")]


def engines(
    *,
    config: Path | None = None,
    as_json: Annotated[bool, Parameter(name="--json", negative="")] = False,
    markdown: Annotated[bool, Parameter(negative="")] = False,
) -> None:
    """List all engines: which are usable here and now, and what is missing for the others.

    That is a library (with the command that installs it), a key or another setting, a file, a program, or a
    server on this machine that does not answer. Nothing is loaded, and no service is asked. Those that a
    character of the configuration uses have a star.

    Parameters
    ----------
    config
        The configuration with the settings of engines; found as for `serve`.
    as_json
        Print it for programs, with all that docs/engines.md says of each.
    markdown
        Print docs/engines.md instead.
    """
    import shutil

    from ..config.load import find_config
    from .document import document
    from .listing import as_json as to_json
    from .listing import as_text, list_engines

    if markdown:
        print(document(), end="")
        return
    path = find_config(config, Path.cwd())
    listed = run_until_interrupted(list_engines, path, os.environ)
    # A pipe gets each in one line, whatever its length, to be searched.
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    print(to_json(listed) if as_json else as_text(listed, path, width))


def transcribe(
    file: Path,
    /,
    *,
    asr: str | None = None,
    settings: EngineSettings = None,
    live: Annotated[bool, Parameter(negative="")] = False,
    config: Path | None = None,
) -> None:
    """Print what speech recognition understands of a WAV file, and on standard error how long it took.

    On a terminal, an engine that recognises while one speaks also shows what it understands on the way.

    Parameters
    ----------
    file
        A WAV file, of any sample rate and number of channels.
    asr
        The engine to try, by its name in `trio-backend engines`; the base character's by default.
    settings
        A setting of the engine, such as language=en, instead of the configuration's; any number of times.
    live
        Let the engine have the sound as fast as it was spoken, as from a microphone.
    config
        The configuration with the settings of engines; found as for `serve`.
    """
    from functools import partial

    from ..observe.log import start_logging
    from .chosen import EngineRequest, chosen_engine
    from .recognising import transcribe as run

    tried = chosen_engine(EngineRequest("asr", asr, settings or (), config), os.environ)
    start_logging("WARNING")
    run_until_interrupted(partial(run, live=live), tried, file)


def download(
    model: str = "",
    /,
    *,
    url: str | None = None,
    config: Path | None = None,
) -> None:
    """Download a model for speech recognition, and say how it is used. Without a name: list them.

    It comes from the releases of sherpa-onnx on GitHub, is compared with their checksum, and put beside the
    configuration, in models/NAME, where `sherpa_onnx_asr` finds it. A Ctrl-C leaves nothing of it behind. A
    proxy is taken from the environment (HTTPS_PROXY).

    Parameters
    ----------
    model
        Which one, by its name in the list; sense-voice is the one to begin with.
    url
        Another place of the same file, such as a mirror.
    config
        The configuration beside which it is put; found as for `serve`.
    """
    from ..config.engine_sections import EngineSections
    from ..config.load import find_config
    from .downloaded import chosen_model, list_of_models, what_to_do
    from .downloading import download as run

    home = EngineSections.read(find_config(config, Path.cwd()), os.environ).folder
    if not model:
        print(list_of_models(home))
        return
    chosen = chosen_model(model)
    from functools import partial

    folder = run_until_interrupted(partial(run, url=url), chosen, home)
    print(what_to_do(chosen, folder))


def speak(
    text: str,
    /,
    *,
    tts: str | None = None,
    settings: EngineSettings = None,
    output: Annotated[Path | None, Parameter(name=["--output", "-o"], allow_leading_hyphen=True)] = None,
    play: Annotated[bool, Parameter(negative="")] = False,
    config: Path | None = None,
) -> None:
    """Speak a text, and say on standard error how long it took until the first sound, and in all.

    Parameters
    ----------
    text
        What to say.
    tts
        The engine to try, by its name in `trio-backend engines`; the base character's by default.
    settings
        A setting of the engine, such as voice=en-us, instead of the configuration's; any number of times.
    output
        The WAV file to write, or - for standard output. Default: speech.wav, unless it is played.
    play
        Play it, with a program of this machine that can.
    config
        The configuration with the settings of engines; found as for `serve`.
    """
    from ..observe.log import start_logging
    from .chosen import EngineRequest, chosen_engine
    from .speaking import Destination
    from .speaking import speak as run

    tried = chosen_engine(EngineRequest("tts", tts, settings or (), config), os.environ)
    start_logging("WARNING")
    run_until_interrupted(run, tried, text, Destination(output, play))
