"""The command line. Everything heavy is imported by the command that needs it."""

from __future__ import annotations

import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

from cyclopts import App, Parameter

if TYPE_CHECKING:
    from .config.folder import Config

T = TypeVar("T")

app = App(
    name="trio-backend",
    help="The server behind a talking character: it answers sentence by sentence, and can be interrupted.",
)

Level = Literal["TRACE", "DEBUG", "INFO", "WARNING", "ERROR"]


def main() -> None:
    """Run the command line; what is wrong goes to standard error in words, with exit code 1."""
    from .errors import TrioBackendError

    try:
        app()
    except TrioBackendError as error:
        sys.exit(f"trio-backend: {error}")


@app.command
def serve(
    config: Path | None = None,
    /,
    *,
    host: str | None = None,
    port: Annotated[int | None, Parameter(name=["--port", "-p"])] = None,
    strict: bool = False,
    log_level: Level | None = None,
) -> None:
    """Run the backend until Ctrl-C, SIGTERM, or the end of its terminal.

    Then turns have some seconds to end (drain_timeout). A second Ctrl-C or SIGTERM cuts them, stores what was
    said, and ends within two seconds; a third ends at once, with whatever that loses.

    Parameters
    ----------
    config
        A conf.yaml, as Open-LLM-VTuber has it, or its folder. Default: ./conf.yaml, ./conf/conf.yaml, or the
        one that comes with the package, which needs no model, no key and no network.
    host
        Address to listen on instead of the configured one; 0.0.0.0 for all.
    port
        Port to listen on instead of the configured one; 0 lets the system choose.
    strict
        Treat warnings about the configuration as errors.
    log_level
        Least severe message to log, instead of the configured one.
    """
    import gc

    # What a start makes stays: to look for garbage in it would take a tenth of the time. `collect_when_quiet`
    # begins once all is there.
    gc.disable()

    import attrs

    from .allocation import give_back_large_blocks
    from .ending import serve_until_signal
    from .observe.log import open_log, start_logging

    give_back_large_blocks()
    with open_log():
        loaded = _load(config, strict=strict)
        system = attrs.evolve(
            loaded.system,
            host=host or loaded.system.host,
            port=loaded.system.port if port is None else port,
            log_level=log_level or loaded.system.log_level,
        )
        start_logging(system.log_level)
        _run(serve_until_signal, attrs.evolve(loaded, system=system))


@app.command
def check(config: Path | None = None, /, *, strict: bool = False) -> None:
    """Say all that is wrong with a configuration, its characters, and the engines they choose.

    Exits with 1 if there are errors.

    Parameters
    ----------
    config
        A conf.yaml or its folder; found as for `serve`.
    strict
        Treat warnings as errors.
    """
    from .check import check as find
    from .config.load import find_config

    path = find_config(config, Path.cwd())
    findings = find(path, os.environ)
    for finding in findings:
        print(f"{finding.severity}: {finding}")
    errors = [finding for finding in findings if strict or finding.severity == "error"]
    print(f"{path}: {len(errors)} errors, {len(findings) - len(errors)} warnings")
    sys.exit(1 if errors else 0)


@app.command
def chat(
    url: str = "ws://127.0.0.1:12393/client-ws",
    /,
    *,
    voice: bool = True,
    once: bool = False,
    room: str = "",
    name: str = "",
) -> None:
    """Talk with the character of a running server; /help lists the commands.

    What you type while it speaks interrupts it. Exits with 1 if the server cannot be reached,
    or the connection is lost for good.

    Parameters
    ----------
    url
        The server: ws://host:port/path, or just host:port.
    voice
        Play what the character says, if the machine has a player.
    once
        Leave when the connection is lost, instead of reconnecting.
    room
        Join others in this room, where what you type waits for its turn instead of interrupting.
    name
        Your name, which the character and the others in the room are told.
    """
    from .chat import ChatOptions, RoomOptions
    from .chat import chat as talk

    sys.exit(_run(talk, ChatOptions(url, voice, once, RoomOptions(room, name))))


@app.command
def transcribe(file: Path, /, *, config: Path | None = None) -> None:
    """Print what is said in a WAV file, as the base character's speech recognition understands it.

    Parameters
    ----------
    file
        A WAV file, of any rate and number of channels.
    config
        The configuration with the engine; found as for `serve`.
    """
    from .observe.log import start_logging
    from .try_engine import transcribe as run

    loaded = _load(config)
    start_logging("WARNING")
    print(_run(run, loaded, file))


@app.command
def speak(
    text: str,
    /,
    *,
    output: Annotated[Path, Parameter(name=["--output", "-o"])] = Path("speech.wav"),
    config: Path | None = None,
) -> None:
    """Speak a text into a WAV file, with the base character's voice.

    Parameters
    ----------
    text
        What to say.
    output
        The file to write.
    config
        The configuration with the voice; found as for `serve`.
    """
    from .observe.log import start_logging
    from .try_engine import speak as run

    loaded = _load(config)
    start_logging("WARNING")
    print(f"{output}: {_run(run, loaded, text, output):.1f} s")


@app.command
def import_history(folder: Path, /, *, config: Path | None = None) -> None:
    """Take over the conversations of Open-LLM-VTuber.

    What is there already is skipped, so importing twice changes nothing. Nothing in the folder is changed.

    Parameters
    ----------
    folder
        The old backend's chat_history folder: one folder for each conf_uid, with JSON files.
    config
        The configuration whose history_file they go to; found as for `serve`.
    """
    from .importing import import_history as run

    _run(run, folder, Path(_load(config).system.history_file))


@app.command
def prove(
    *scenarios: str,
    url: str = "",
    token: str = "",
    pid: int | None = None,
    full: bool = False,
    scale: float | None = None,
    minutes: float | None = None,
    json: Path | None = None,
    report: Path | None = None,
) -> None:
    """Measure whether a server stays as fast as it was at first, whatever its clients do.

    Without --url it starts a server with engines whose slowness is known, and takes about four minutes.
    Exits with 1 if a bound is missed or a scenario fails.

    Parameters
    ----------
    scenarios
        start, reload, leave, switch, interrupt, crowd, queue, long, idle or soak; all of them by default.
    url
        A running server of this protocol to test instead, such as http://localhost:12393.
    token
        Its access token, if it asks for one.
    pid
        Its process, where it runs on this machine: to read its threads, files, memory and CPU.
    full
        Run in the sizes by which the project is measured: 45 minutes.
    scale
        Slowness of the stand-in engines, and how long users stay; 1 for those of the full sizes.
    minutes
        Length of the soak.
    json
        File to keep all numbers in.
    report
        File for a page that shows them.
    """
    from .prove.runner import ProveOptions
    from .prove.runner import prove as run

    options = ProveOptions(
        scenarios, url, token, pid, full=full, scale=scale, minutes=minutes, json=json, report=report
    )
    sys.exit(0 if _run(run, options) else 1)


def _load(path: Path | None, *, strict: bool = False) -> Config:
    """The configuration, with its warnings on standard error."""
    from .check import engine_findings
    from .config.load import find_config, load_config
    from .errors import ConfigError

    found = find_config(path, Path.cwd())
    loaded = load_config(found, environ=os.environ)
    findings = [*loaded.findings, *engine_findings(loaded.config.character, os.environ)]
    errors = [finding for finding in findings if strict or finding.severity == "error"]
    if errors:
        raise ConfigError("\n".join(["the configuration is wrong:", *map(str, errors)]))
    for finding in findings:
        print(f"{finding.severity}: {finding}", file=sys.stderr)
    return loaded.config


def _run(async_fn: Callable[..., Awaitable[T]], *args: object) -> T:
    """`trio.run`, with the one error inside an exception group in its place."""
    import trio

    from .errors import TrioBackendError, first_leaf

    try:
        return trio.run(async_fn, *args)
    except BaseExceptionGroup as group:
        leaf = first_leaf(group)
        raise leaf if isinstance(leaf, TrioBackendError) else group from None
