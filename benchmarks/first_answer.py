"""From `git clone`, and from the wheel, to the first spoken answer: seconds, and what had to be typed.

``python benchmarks/first_answer.py [runs]`` writes benchmarks/first-answer.md. Each run begins in an empty
folder, on a path that has only what README.md asks for (`PROGRAMS`), without pip's cache, and types the first
command of README.md or of packaging/description.md. Then a Chromium opens the page, types a sentence, and
waits until the page speaks. What is measured is what is committed.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import attrs
import psutil
from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).parents[1]
RESULT = Path(__file__).with_name("first-answer.md")
# uname: the script that activates an environment asks for it, from Python 3.12 on.
PROGRAMS = ("bash", "env", "git", "python3", "sh", "uname")
# What is typed on the page.
SENTENCE = "Hello, who are you?"
STEPS = ("clone", "install", "server ready", "page shown", "sound")
_INSTALLED = "@installed@"
INTRODUCTION = """\
The path had only {}; no cache of pip.
The repository and the package index are on the same machine: elsewhere the download of the packages adds
its time. “install” is the environment and all packages; “server ready” ends when the engines are loaded,
“page shown” when the page is connected; “sound” is from the last key to the first sound. A person's typing
is not in it. “load” is the load average of the last minute: what wanted a processor, this included.
"""


@attrs.frozen
class Run:
    """One run: what was typed, the seconds of each of `STEPS`, and the machine's load average at its end."""

    typed: Sequence[str]
    seconds: Sequence[float]
    load: float = attrs.field(factory=lambda: os.getloadavg()[0])


@attrs.define
class Watch:
    """A stopwatch that is read at the end of each step."""

    last: float = attrs.field(factory=time.monotonic)
    seconds: list[float] = attrs.field(factory=list)

    def lap(self) -> None:
        """A step has ended."""
        now = time.monotonic()
        self.seconds.append(now - self.last)
        self.last = now


def shell_blocks(document: Path) -> list[str]:
    """What the document says to type."""
    return [block.strip() for block in re.findall(r"```sh\n(.*?)```", document.read_text("utf-8"), re.DOTALL)]


def from_clone(folder: Path, _wheel: Path, watch: Watch, browser: Browser) -> Run:
    """README's way. Its first command installs and starts."""
    command = shell_blocks(ROOT / "README.md")[0]
    clone = ["git clone {} trio-backend", "cd trio-backend"]
    shell(clone[0].format(f"-q file://{ROOT}"), folder)
    watch.lap()
    install, start = command.rsplit(" && ", 1)
    serve_and_talk(f"{install} && echo {_INSTALLED} && {start}", folder / "trio-backend", watch, browser)
    return Run([clone[0].format("ADDRESS"), clone[1], command], watch.seconds)


def from_wheel(folder: Path, wheel: Path, watch: Watch, browser: Browser) -> Run:
    """The way of the page of an index, with the wheel's file in place of its name."""
    watch.lap()
    commands = shell_blocks(ROOT / "packaging" / "description.md")[0].splitlines()
    *install, start = [line.replace("trio-backend[", f"{wheel}[") for line in commands]
    serve_and_talk(" && ".join([*install, f"echo {_INSTALLED}", start]), folder, watch, browser)
    return Run(commands, watch.seconds)


def serve_and_talk(command: str, folder: Path, watch: Watch, browser: Browser) -> None:
    """Run ``command`` until its server is there, then talk on its page, and end it."""
    # A port of its own, since another server may run here. exec, so that Ctrl-C reaches the server.
    install, _, start = command.rpartition(" && ")
    server = subprocess.Popen(
        ["bash", "-c", f"{install} && exec {start} --port 0"],
        cwd=folder,
        env=environment(folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert server.stdout
    try:
        log: list[str] = []
        address = None
        while address is None and (line := server.stdout.readline()):
            log.append(line)
            if _INSTALLED in line:
                watch.lap()
            address = re.search(r"is at (http\S+)", line)
        if address is None:
            sys.exit("".join(log))
        watch.lap()
        page = browser.new_page()
        page.goto(address[1])
        page.wait_for_selector("#app[data-link=open][data-turn=idle]")
        watch.lap()
        page.locator("#text").fill(SENTENCE)
        page.locator("#text").press("Enter")
        page.wait_for_selector("#app[data-turn=speaking]", timeout=60_000)
        watch.lap()
        page.close()
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(30)


def shell(command: str, folder: Path) -> None:
    """Run ``command`` as a newcomer's shell does."""
    subprocess.run(["bash", "-c", command], cwd=folder, env=environment(folder), check=True)


def environment(folder: Path) -> dict[str, str]:
    """A path with `PROGRAMS` and no other, and no cache; where this machine's pip looks stays as it is."""
    programs = folder / ".programs" if folder.name != "trio-backend" else folder.parent / ".programs"
    if not programs.exists():
        programs.mkdir()
        for name in PROGRAMS:
            found = sys.executable if name == "python3" else shutil.which(name)
            assert found, f"this machine has no {name}"
            (programs / name).symlink_to(os.path.realpath(found))
    kept = {name: value for name, value in os.environ.items() if name.startswith("PIP_") or name == "HOME"}
    return {**kept, "PATH": str(programs), "PIP_NO_CACHE_DIR": "1"}


def build_wheel(folder: Path) -> Path:
    """The wheel of what is committed; not a part of what is measured."""
    subprocess.run(["git", "clone", "-q", f"file://{ROOT}", str(folder / "source")], check=True)
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "-q",
        "--no-deps",
        "-w",
        str(folder),
        str(folder / "source"),
    ]
    subprocess.run(command, check=True)
    return next(folder.glob("*.whl"))


def measured(way: Callable[..., Run], runs: int, wheel: Path, browser: Browser) -> list[Run]:
    """So many runs, each in a folder of its own."""
    found = []
    for _ in range(runs):
        with tempfile.TemporaryDirectory() as folder:
            found.append(way(Path(folder), wheel, Watch(), browser))
        print(way.__name__, *(f"{seconds:.2f}" for seconds in found[-1].seconds), flush=True)
    return found


def table(title: str, runs: Sequence[Run]) -> list[str]:
    """The runs of one way, their median, and what was typed."""
    typed = [*runs[0].typed, "the address that it prints", SENTENCE]
    rows = [[f"{number}", *run.seconds, sum(run.seconds), run.load] for number, run in enumerate(runs, 1)]
    middle = [statistics.median(run.seconds[step] for run in runs) for step in range(len(STEPS))]
    rows.append(["median", *middle, statistics.median(sum(run.seconds) for run in runs)])
    rows[-1].append(statistics.median(run.load for run in runs))
    cells = [" | ".join([str(name), *(f"{float(one):.2f}" for one in numbers)]) for name, *numbers in rows]
    return [
        f"## {title}",
        "",
        f"Typed: {len(runs[0].typed)} commands ({sum(map(len, runs[0].typed))} characters), an address,"
        " a sentence:",
        "",
        *(f"{number}. `{line}`" for number, line in enumerate(typed, 1)),
        "",
        f"| seconds | {' | '.join(STEPS)} | all | load |",
        "| --- |" + " --- |" * (len(STEPS) + 2),
        *(f"| {line} |" for line in cells),
        "",
    ]


def machine() -> str:
    """Where it was measured."""
    memory = round(psutil.virtual_memory().total / 2**30)
    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors, {memory} GiB"


def main(runs: int) -> None:
    """Measure both ways and write `RESULT`."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        wheel = build_wheel(Path(folder))
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"),
            args=["--no-sandbox", "--disable-gpu", "--autoplay-policy=no-user-gesture-required"],
        )
        clone, package = (measured(way, runs, wheel, browser) for way in (from_clone, from_wheel))
        browser.close()
    lines = [
        "# From nothing to the first spoken answer",
        "",
        f"`python benchmarks/first_answer.py {runs}`; {machine()}, Python {platform.python_version()}.",
        INTRODUCTION.format(", ".join(f"`{name}`" for name in PROGRAMS)),
        *table("From a clone (README.md)", clone),
        *table("From the wheel (packaging/description.md)", package),
    ]
    RESULT.write_text("\n".join(lines).rstrip() + "\n", "utf-8")
    print(f"written: {RESULT}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
