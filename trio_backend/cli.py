"""The command line. Everything heavy is imported by the command that needs it."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter
from cyclopts.validators import Number

from .engine_commands.command_line import download, engines, speak, transcribe
from .prove.options import MeasuredServer, ReportFiles, RunSize
from .running import INTERRUPTED, run_command
from .setup.flags import GivenAnswers, SetupRun

if TYPE_CHECKING:
    from .config.folder import Config

app = App(
    name="trio-backend",
    help="The server behind a talking character: it answers sentence by sentence, and can be interrupted.",
)
for command in (engines, download, speak, transcribe):
    app.command(command)

Level = Literal["TRACE", "DEBUG", "INFO", "WARNING", "ERROR"]


def main() -> None:
    """Run the command line; what is wrong goes to standard error in words, with exit code 1."""
    from .errors import TrioBackendError

    if isinstance(sys.stdout, io.TextIOWrapper):
        # A pipe on Windows, or a terminal of an old locale, cannot show the names of some characters.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        app()
    except TrioBackendError as error:
        sys.exit(f"trio-backend: {error}")
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        # As of `trio-backend engines | head`. What Python still holds goes nowhere, without another error.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


@app.command
def serve(
    config: Path | None = None,
    /,
    *,
    host: str | None = None,
    port: Annotated[int | None, Parameter(name=["--port", "-p"], validator=Number(gte=0, lte=65_535))] = None,
    https: Annotated[bool, Parameter(negative="")] = False,
    qr: Annotated[bool, Parameter(name="--qr", negative="--no-qr")] = True,
    strict: bool = False,
    log_level: Level | None = None,
) -> None:
    """Run the backend until Ctrl-C, SIGTERM, or the end of its terminal.

    Running turns then get drain_timeout seconds to end. A second Ctrl-C or SIGTERM cancels them, stores what
    was said, and ends within two seconds. A third ends the process at once; what is not stored yet is lost.

    Parameters
    ----------
    config
        A conf.yaml in the format of Open-LLM-VTuber, or its folder. Default: ./conf.yaml, ./conf/conf.yaml,
        or the one in the package, which needs no model, no key and no network.
    host
        Address to listen on instead of the configured one; 0.0.0.0 for all. Others can then reach the
        server: set access_token.
    port
        Port to listen on instead of the configured one; 0 lets the system choose.
    https
        Serve HTTPS, without which browsers give no microphone to pages from other machines. Where
        tls_certificate is not set, a certificate is made for this machine and its addresses, and kept.
    qr
        Where other machines can connect, show a QR code with the address for phones in the terminal. It holds
        the access token.
    strict
        Check all that `check` does before the start, and do not start if it finds anything.
    log_level
        Least severe message to log, instead of the configured one.
    """
    import gc

    # What a start makes stays: to look for garbage in it would take a tenth of the time. `collect_when_quiet`
    # begins once all is there.
    gc.disable()

    import attrs

    from .ending import serve_until_signal
    from .memory_tuning import give_back_large_blocks
    from .observe.log import open_log, start_logging
    from .start_report import StartOptions

    give_back_large_blocks()
    with open_log():
        loaded = _load(config, strict=strict, host=host)
        system = attrs.evolve(
            loaded.system,
            host=host or loaded.system.host,
            port=loaded.system.port if port is None else port,
            log_level=log_level or loaded.system.log_level,
        )
        loaded = attrs.evolve(loaded, system=system)
        start_logging(system.log_level)
        start = StartOptions(check=not strict, qr_code=qr)
        if https and loaded.tls is None:
            loaded, authority = _with_certificate(loaded)
            start = attrs.evolve(start, authority=authority)
        run_command(serve_until_signal, loaded, start)


@app.command
def init(
    folder: Path = Path(),
    /,
    *,
    answers: Annotated[GivenAnswers, Parameter(name="*")] = GivenAnswers(),  # noqa: B008 -- frozen
    run: Annotated[SetupRun, Parameter(name="*")] = SetupRun(),  # noqa: B008 -- frozen
) -> None:
    """Ask five questions, write a configuration that works, check it, and start it.

    Every question has a suggestion, which Enter takes. It looks for Ollama, LM Studio, llama.cpp and servers
    of voices, and offers what they have. It writes conf.yaml and the character's file, both with comments
    that say what to change next, and the faces and prompts that they name. Nothing that is there is
    overwritten. A Ctrl-C ends it, with nothing written.

    In a script: trio-backend init my-folder --yes --no-start

    Parameters
    ----------
    folder
        Where to write it; made if it is not there. Default: here.
    """
    from .setup.command import set_up

    if set_up(folder, answers, run, os.environ):
        serve(Path("conf.yaml"))


@app.command
def check(config: Path | None = None, /, *, strict: bool = False, json: bool = False) -> None:
    """List what is wrong with a configuration, its characters, and the settings of their engines.

    Says which characters and engines it looked at, too. Exits with 1 if there are errors.

    Parameters
    ----------
    config
        A conf.yaml or its folder; found as for `serve`.
    strict
        Treat warnings as errors.
    json
        Print one JSON object, for programs.
    """
    from .check import CheckReport, look_at
    from .config.load import find_config

    report = CheckReport(look_at(find_config(config, Path.cwd()), os.environ), strict)
    print(report.json() if json else "\n".join(report.lines()))
    sys.exit(1 if report.errors else 0)


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
    """Talk with the character of a running server, in the terminal; /help lists the commands.

    Typing while the character speaks interrupts it. Exits with 1 if the server cannot be reached, or if the
    connection is lost and cannot be made again.

    Parameters
    ----------
    url
        The server: ws://host:port/path, or just host:port.
    voice
        Play the character's voice, if a program that plays sound is installed.
    once
        End when the connection is lost, instead of reconnecting.
    room
        Join this room. What you type waits in the room's queue instead of interrupting.
    name
        Your name, for the character and for the others in the room.
    """
    from .chat import ChatOptions, RoomOptions
    from .chat import chat as talk

    sys.exit(run_command(talk, ChatOptions(url, voice, once, RoomOptions(room, name))))


@app.command
def import_history(folder: Path, /, *, config: Path | None = None) -> None:
    """Copy the conversations of Open-LLM-VTuber into history_file.

    Conversations that are there already are skipped, so a second import changes nothing. The old files stay
    as they are.

    Parameters
    ----------
    folder
        Open-LLM-VTuber's chat_history folder: one folder for each conf_uid, with JSON files.
    config
        The configuration that names the history_file; found as for `serve`.
    """
    from .commands import import_history as run
    from .history.opening import place_of

    loaded = _load(config)
    for finding in loaded.warnings:
        print(f"{finding.severity}: {finding}", file=sys.stderr)
    run_command(run, folder, Path(place_of(loaded.system.history_file)))


@app.command
def prove(
    *scenarios: str,
    server: Annotated[MeasuredServer, Parameter(name="*")] = MeasuredServer(),  # noqa: B008 -- frozen
    size: Annotated[RunSize, Parameter(name="*")] = RunSize(),  # noqa: B008 -- frozen
    files: Annotated[ReportFiles, Parameter(name="*")] = ReportFiles(),  # noqa: B008 -- frozen
) -> None:
    """Measure whether a server stays fast while clients leave, reload, switch and interrupt.

    Without --url it starts a server of its own with simulated engines, and takes about five minutes. Exits
    with 1 if a limit is exceeded or a scenario fails.

    Parameters
    ----------
    scenarios
        start, idle, reload, leave, switch, interrupt, crowd, overload, queue, long, voice, discard or soak;
        all by default.
    """
    from .prove.runner import ProveOptions
    from .prove.runner import prove as run

    sys.exit(0 if run_command(run, ProveOptions(scenarios, server, size, files)) else 1)


def _load(path: Path | None, *, strict: bool = False, host: str | None = None) -> Config:
    """The configuration, with its warnings. ``host`` is what the command line says.

    Raises `ConfigError` with all errors that are found without opening an engine; with ``strict``, with all
    that `check` finds.
    """
    import attrs

    from .check import engine_findings, look_at
    from .config.diagnostics import Finding
    from .config.load import find_config, load_config
    from .config.references import HOST, without_token
    from .errors import ConfigError

    found = find_config(path, Path.cwd())
    loaded = load_config(found, environ=os.environ)
    findings = [*loaded.findings, *engine_findings(loaded.config.character, os.environ)]
    if strict:
        findings = list(look_at(found, os.environ).findings)
    # Keys without effect are for `check`, and not for each start.
    findings = [finding for finding in findings if finding.severity != "note"]
    if host:
        # The address in the file is not used.
        findings = [finding for finding in findings if finding.key != HOST]
        if message := without_token(attrs.evolve(loaded.config.system, host=host)):
            findings.insert(0, Finding("warning", f"--host {host}", 0, "", message, "set access_token"))
    errors = [finding for finding in findings if strict or finding.severity == "error"]
    if errors:
        raise ConfigError("\n".join(["the configuration is wrong:", *map(str, errors)]))
    return attrs.evolve(loaded.config, warnings=tuple(findings))


def _with_certificate(config: Config) -> tuple[Config, Path]:
    """``config`` with a certificate for this machine, and the authority that has signed it."""
    import attrs
    from loguru import logger

    from .addresses import certified_hosts
    from .local_certificate import keep_certificate, state_folder

    hosts = certified_hosts(config.system.host)
    made = keep_certificate(state_folder(os.environ) / "https", hosts)
    if made.news:
        logger.info("https: {}: {}", made.news, made.file)
    system = attrs.evolve(config.system, tls_certificate=str(made.file), tls_key=str(made.file))
    return attrs.evolve(config, system=system), made.authority
