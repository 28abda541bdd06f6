"""An installation is made of a wheel or source distribution, far from the clone, and used as people would."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

TALK = Path(__file__).with_name("talk.py")
# Seconds for whatever is not an installation.
TIMEOUT = 60
_ADDRESS = re.compile(r"is at (http\S+)")
# Names that pages and scripts give to other files of theirs.
_NAMED = re.compile(r"""(?:src|href)="([^"#:]+)"|(?:from|import) *["'](\./[^"']+)["']""")


class Failed(Exception):
    """Something did not go as it should; says what, with the program's output."""


def expect(condition: object, what: str, *shown: object) -> None:
    """Raise `Failed` unless ``condition`` holds."""
    if not condition:
        raise Failed("\n".join([what, *map(str, shown)]))


def bare_environment(folder: Path) -> dict[str, str]:
    """As of a service: no program on the path, no home, no locale."""
    (folder / "no programs").mkdir(exist_ok=True)
    return {"PATH": str(folder / "no programs"), "HOME": str(folder / "no home"), "LC_ALL": "C"}


class Installation:
    """A virtual environment with the program, and a folder to work in whose name is not plain."""

    def __init__(self, python: str, built: Path, extras: str, folder: Path) -> None:
        self.venv, self.work = folder / "venv", folder / "à essayer 空"
        self.work.mkdir(parents=True)
        self.environ = bare_environment(folder)
        subprocess.run([python, "-m", "venv", str(self.venv)], check=True, timeout=TIMEOUT)
        self.python, self.program = self.venv / "bin" / "python", self.venv / "bin" / "trio-backend"
        install = [str(self.python), "-m", "pip", "install", "-q", f"{built}{extras}"]
        subprocess.run(install, check=True, cwd=folder, timeout=900)
        self.installed = self.listing()

    def listing(self) -> set[str]:
        """All files of the environment but the compiled ones."""
        return {str(path) for path in self.venv.rglob("*") if "__pycache__" not in path.parts}

    def run(self, *arguments: str, typed: str = "", program: Sequence[str] = ()) -> SimpleNamespace:
        """The program with ``arguments``; its ``code``, ``output`` and ``errors``."""
        command = [*(program or [str(self.program)]), *arguments]
        done = subprocess.run(
            command,
            cwd=self.work,
            env=self.environ,
            input=typed.encode(),
            capture_output=True,
            timeout=TIMEOUT,
        )
        return SimpleNamespace(
            code=done.returncode, output=done.stdout.decode(), errors=done.stderr.decode(), command=command
        )

    @contextmanager
    def serving(self, *arguments: str) -> Iterator[str]:
        """The first command: yields the address, then ends it by Ctrl-C and sees that nothing is left."""
        command = [str(self.program), "serve", "--port", "0", *arguments]
        log = self.work.parent / "log"
        with log.open("wb") as stderr:
            server = subprocess.Popen(
                command, cwd=self.work, env=self.environ, stderr=stderr, start_new_session=True
            )
        try:
            yield address_in(log, server)
            server.send_signal(signal.SIGINT)
            code = server.wait(TIMEOUT)
        finally:
            server.kill()
            server.wait()
        told = log.read_text("utf-8")
        expect(code == 0, f"the server ended with {code}", told)
        expect("left over: 0 tasks, 0 children, 0 sockets" in told, "something was left over", told)
        expect("Traceback" not in told, "the log has a traceback", told)
        try:
            os.killpg(server.pid, 0)
        except ProcessLookupError:
            return
        raise Failed("a child process of the server is left")


def address_in(log: Path, server: subprocess.Popen[bytes]) -> str:
    """Where the server is, once it has said so."""
    for _ in range(TIMEOUT * 10):
        if found := _ADDRESS.search(log.read_text("utf-8")):
            return found[1]
        expect(server.poll() is None, "the server ended", log.read_text("utf-8"))
        time.sleep(0.1)
    raise Failed(f"the server did not say where it is:\n{log.read_text('utf-8')}")


def see_that_it_is_installed(here: Installation, version: str) -> None:
    """Both ways to call it say the same version."""
    for program in ([str(here.program)], [str(here.python), "-m", "trio_backend"]):
        told = here.run("--version", program=program)
        expect(told.output.strip() == version, f"{program} should say {version}", told)


def see_that_check_is_content(here: Installation, *, warns: bool) -> str:
    """No error, and no warning unless it ``warns``; returns what it prints."""
    told = here.run("check")
    expect(told.code == 0 and "0 errors" in told.output, "check found errors", told.output, told.errors)
    expect(("0 errors, 0 warnings" not in told.output) == warns, "what check warns of", told.output)
    return str(told.output)


def see_that_the_page_is_whole(address: str) -> int:
    """The page, that for operators, and each file that they name answer 200; returns how many."""
    seen: set[str] = set()
    waiting = [f"{address}/", f"{address}/status/", f"{address}/healthz", f"{address}/live2d-models/info"]
    while waiting:
        url = waiting.pop()
        if url in seen:
            continue
        seen.add(url)
        with urllib.request.urlopen(url, timeout=TIMEOUT) as answer:
            expect(answer.status == 200, f"{url}: {answer.status}")
            body = answer.read()
            kind = answer.headers.get_content_type()
        if kind in ("text/html", "text/javascript", "application/javascript"):
            names = (one or other for one, other in _NAMED.findall(body.decode()))
            waiting += [urllib.parse.urljoin(url, name) for name in names]
    return len(seen)


def talk(here: Installation, address: str) -> SimpleNamespace:
    """One turn: its ``sentences``, bytes of ``sound``, and ``errors``."""
    told = here.run(str(TALK), address, program=[str(here.python)])
    expect(told.code == 0, "the turn failed", told)
    return SimpleNamespace(**json.loads(told.output))


def see_that_chat_talks(here: Installation, address: str) -> None:
    """What is typed is answered."""
    told = here.run("chat", address, typed="Hello, who are you?\n")
    expect(told.code == 0 and "Iris" in told.output, "chat had no answer", told)


def see_what_was_written(here: Installation) -> None:
    """The conversations, where it was started, and nothing beside the program."""
    expect([path.name for path in here.work.iterdir()] == ["history.sqlite3"], "wrote", *here.work.iterdir())
    more = here.listing() - here.installed
    expect(not more, "wrote beside the program", *sorted(more)[:10])


def see_that_init_begins(here: Installation) -> None:
    """A configuration of one's own, without a question; left out where there is no such command."""
    if " init " not in here.run("--help").output:
        print("    init: there is no such command yet")
        return
    folder = here.work / "mine"
    folder.mkdir()
    told = here.run("init", "--yes", "--no-start", str(folder))
    expect(told.code == 0, "init failed", told)
    checked = here.run("check", str(folder))
    expect(
        checked.code == 0 and "0 errors" in checked.output, "check finds errors in what init wrote", checked
    )
    shutil.rmtree(folder)


def try_with_voice(here: Installation, version: str) -> str:
    """Everything that the extra `voice` promises; returns what was seen."""
    see_that_it_is_installed(here, version)
    see_that_check_is_content(here, warns=False)
    with here.serving() as address:
        files = see_that_the_page_is_whole(address)
        turn = talk(here, address)
        see_that_chat_talks(here, address)
    expect(not turn.errors and turn.sound > 10_000, "no sound came", turn)
    see_what_was_written(here)
    see_that_init_begins(here)
    return f"{files} files of the pages, {len(turn.sentences)} sentences, {turn.sound} characters of sound"


def try_without_voice(here: Installation, version: str) -> str:
    """Text, and a remedy that can be followed as it stands; then there is a voice."""
    see_that_it_is_installed(here, version)
    warning = see_that_check_is_content(here, warns=True)
    found = re.search(r"install the extra `voice`: `([^`]+)`", warning)
    expect(found, "check does not say how to get a voice", warning)
    with here.serving() as address:
        turn = talk(here, address)
    expect("".join(turn.sentences) and not turn.sound, "there should be text and no sound", turn)
    expect(
        len(turn.errors) == 1 and "voice" in turn.errors[0],
        "the page should say that no voice is there",
        turn,
    )
    assert found is not None
    subprocess.run(shlex.split(found[1]), cwd=here.work, check=True, stdout=subprocess.DEVNULL, timeout=900)
    see_that_check_is_content(here, warns=False)
    with here.serving() as address:
        turn = talk(here, address)
    expect(not turn.errors and turn.sound, "no sound came after the remedy", turn)
    return f"text only; spoke after `{found[1]}`"


def pythons() -> dict[str, str]:
    """This Python, and the others that are installed and new enough, by their versions."""
    found: dict[str, str] = {}
    for name in (sys.executable, *(f"python3.{minor}" for minor in range(11, 20))):
        command = [name, "-c", "import sys, venv, ensurepip; print(sys.version.split()[0], sys.executable)"]
        try:
            told = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=True).stdout
        except (OSError, subprocess.SubprocessError):
            continue
        version, path = told.strip().split(" ", 1)
        found.setdefault(version, path)
    return found
