"""`set_up`: what `trio-backend init` does, from the first question to the checked files; blocking."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from ..check import CheckReport, look_at
from ..config.load import packaged_conf
from ..config.system import SystemConfig
from ..errors import SetupRefused
from .answers import Answers
from .dialogue import Dialogue
from .documents import character_document, server_document
from .flags import GivenAnswers, SetupRun
from .languages import TEXTS
from .questions import Questions
from .writing import NewFiles, WrittenFiles, refuse_existing, write_all

SERVER_FILE = "conf.yaml"


def set_up(folder: Path, given: GivenAnswers, run: SetupRun, environ: Mapping[str, str]) -> bool:
    """Ask, write a configuration to ``folder``, and check it; True if the server is to be started there.

    The working directory is then ``folder``. Raises `SetupRefused`, with nothing written, where a flag is
    missing or cannot be obeyed, or where such files are there; KeyboardInterrupt, with nothing written, at a
    Ctrl-C.
    """
    # A terminal of another encoding than UTF-8 shows a question mark, and goes on.
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")
    asks = sys.stdin.isatty() and not run.yes
    if not asks and not run.yes:
        _refuse_missing(given)
    if not run.force:
        refuse_existing(folder, [SERVER_FILE])
    questions = Questions(given, run, asks, environ)
    try:
        if asks and None in _asked(given).values():
            print(questions.texts.intro.format(folder=folder.absolute()))
        answers = questions.answers()
    except (KeyboardInterrupt, SystemExit):
        # A SystemExit is a Ctrl-C while servers are looked for.
        print(f"\n{questions.texts.stopped}")
        raise
    _tell_written(answers, folder, write_all(new_files(folder, answers), replace=run.force))
    elsewhere = folder.absolute() != Path.cwd()
    os.chdir(folder)
    if not _check(answers, environ):
        return False
    print(_hints(answers, found_models=questions.found_models), end="")
    _tell_next(answers, folder if elsewhere else None)
    if not run.start or not asks:
        return run.start
    print()
    return Dialogue(questions.texts).agrees(questions.texts.start)


def _asked(given: GivenAnswers) -> dict[str, str | None]:
    """The five questions by their flag; without a flag for when it listens, it listens always."""
    return {
        "--language": given.language,
        "--name": given.name,
        "--model": given.model,
        "--voice": given.voice,
        "--microphone": given.microphone,
        "--connect": given.connect,
    }


def _refuse_missing(given: GivenAnswers) -> None:
    missing = [flag for flag, answer in _asked(given).items() if answer is None]
    if missing:
        raise SetupRefused(
            f"there is no terminal to ask in; give {', '.join(missing)}, or --yes for what is suggested"
        )


def new_files(folder: Path, answers: Answers) -> NewFiles:
    """All files of the configuration, and what comes with the package: faces, backgrounds, prompts."""
    texts = TEXTS[answers.language]
    # The server's file last: without it the folder is no configuration.
    ours = {
        f"characters/{answers.character_file}": character_document(answers, texts).encode(),
        SERVER_FILE: server_document(answers, texts).encode(),
    }
    secret = frozenset({SERVER_FILE} if answers.holds_secrets else ())
    return NewFiles(folder, ours, secret, dict(_packaged()))


def _packaged() -> Iterator[tuple[str, bytes]]:
    root = packaged_conf()
    paths = [root / "model_dict.json"]
    for name in ("avatars", "backgrounds", "prompts"):
        paths += sorted(path for path in (root / name).rglob("*") if path.is_file())
    for path in paths:
        yield path.relative_to(root).as_posix(), path.read_bytes()


def _tell_written(answers: Answers, folder: Path, files: WrittenFiles) -> None:
    told = TEXTS[answers.language].told
    print(f"\n{told.written.format(folder=folder.absolute())}")
    ours = [name for name in files.written if name.endswith(".yaml")]
    for name in ours:
        secret = f"   ({told.secret})" if answers.holds_secrets and name == SERVER_FILE else ""
        print(f"  {name}{secret}")
    others = sorted({name.partition("/")[0] for name in files.written} - {"characters", SERVER_FILE})
    if others:
        print(f"  {', '.join(others)}")
    for old in files.kept:
        print(f"  {told.kept.format(old=old)}")


def _check(answers: Answers, environ: Mapping[str, str]) -> bool:
    """Print what `trio-backend check` finds in the working directory; whether the server can start."""
    told = TEXTS[answers.language].told
    report = CheckReport(look_at(Path(SERVER_FILE), environ))
    print(f"\n{told.checked}")
    for line in report.lines():
        print(f"  {line}")
    if report.errors:
        print(f"\n{told.wrong}")
    return not report.errors


def _hints(answers: Answers, *, found_models: bool) -> str:
    """What to know of the answers, a paragraph each."""
    told = TEXTS[answers.language].told
    hints = {
        told.no_local_model: answers.model.source == "companion" and not found_models,
        told.embedded_hearing: not answers.microphone.engine,
        told.network.format(port=answers.port): answers.connect == "network",
    }
    return "".join(f"\n{hint}\n" for hint, applies in hints.items() if applies)


def _tell_next(answers: Answers, folder: Path | None) -> None:
    """The commands to go on with; ``folder`` is where to go first."""
    told, program, address = TEXTS[answers.language].told, _program(), ""
    if answers.access_token:
        address = f" 'ws://127.0.0.1:{answers.port}/client-ws?token=…'"
    elif answers.port != SystemConfig().port:
        address = f" 127.0.0.1:{answers.port}"
    steps = {
        f"{program} serve": told.start,
        f"{program} chat{address}": told.talk,
        f"{program} check": told.change,
        f"{program} engines": told.engines,
    }
    print(f"\n{told.next_steps}")
    if folder is not None:
        print(f"  cd {shlex.quote(str(folder))}")
    width = max(map(len, steps))
    for command, what in steps.items():
        print(f"  {command.ljust(width)}   {what}")


def _program() -> str:
    """How to call this program in a terminal like this one."""
    return (
        "trio-backend" if shutil.which("trio-backend") else f"{shlex.quote(sys.executable)} -m trio_backend"
    )
