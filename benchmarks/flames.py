"""A flame graph of the server while clients talk with it, its engines behind HTTP; and where the CPU goes.

``python benchmarks/flames.py FILE.svg [--clients 50] [--turns 30] [--companion] [--program PROGRAM]
[--py-spy PROGRAM]``. Needs py-spy (``pip install py-spy``), which must be allowed to read another process.
The server has a processor core of its own, as in `trio-backend prove`; ``--program`` names another version,
as there. Beside FILE.svg it prints the share of each part of the code, of all samples that did something.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from pathlib import Path

import attrs
import trio

from trio_backend.prove.context import ScenarioContext
from trio_backend.prove.cores import pin, placement
from trio_backend.prove.load import raise_file_limit
from trio_backend.prove.own_server import ServerProgram, open_engine_server, open_own_server
from trio_backend.prove.plan import small
from trio_backend.prove.probe import open_probe
from trio_backend.prove.scenarios.crowd import ask_at_once
from trio_backend.prove.scenarios.long import TOLD
from trio_backend.prove.stand_ins import COMPANION

# Samples a second. They are taken without stopping the server, which would change what is measured; a few are
# torn, and show a function below one that never called it.
RATE = 250

# What a frame belongs to, by its file; the innermost frame that belongs to something decides.
PARTS = (
    (
        "the model's and the TTS's HTTP",
        r"trio_backend/engines/(http|openai)|httpx2|httpcore2|/?h11/|httptools",
    ),
    ("history: SQLite and its threads", r"trio_backend/history"),
    ("text: sentences, markup", r"trio_backend/text"),
    ("the companion's rules", r"trio_backend/engines/llm/companion"),
    ("sound: WAV, volumes, base64", r"trio_backend/audio|/wave\.py|/base64\.py"),
    ("WebSocket", r"trio_backend/server|websockets/"),
    ("JSON of the protocol", r"trio_backend/protocol"),
    ("log", r"loguru|trio_backend/observe"),
    ("session, its requests and messages", r"trio_backend/(session|wire|quota)"),
    ("turns", r"trio_backend/(conversation|concurrency|engines)"),
    ("the rest of the server", r"trio_backend/(?!cli|serving|__main__|backend)"),
    ("threads: handing work over", r"trio/_(threads|core/_(thread_cache|entry_queue|wakeup_socketpair))"),
    ("sockets through Trio, and waiting for them", r"trio/(_socket|_highlevel|_core/_io_)"),
    ("Trio's tasks, scopes and channels", r"trio/|outcome/"),
)
_PARTS = [(name, re.compile(pattern)) for name, pattern in PARTS]
COLOURS = dict(
    zip(
        (name for name, _ in PARTS),
        ("#f4a261", "#a8dadc", "#e9c46a", "#cdb4db", "#f28482", "#90be6d", "#bde0fe", "#d4a373", "#84a59d",
         "#f6bd60", "#ccd5ae", "#9a8c98", "#c9ada7", "#e5e5e5"),
        strict=True,
    )
)  # fmt: skip
_FOLDERS = re.compile(r"^/.*/(?=trio_backend/|trio/|[^/]+\)$)|^.*site-packages/|^.*/lib/python[\d.]+/")
WIDTH, ROW = 1200, 15
# Of all samples; what is thinner could not be seen, and would make the file large.
THIN = 0.002


@attrs.frozen
class Samples:
    """Stacks, outermost frame first, and how often each was seen."""

    stacks: Counter[tuple[str, ...]]

    @classmethod
    def read(cls, raw: str) -> Samples:
        """Of what py-spy writes as ``raw``, which leaves out threads that wait."""
        stacks: Counter[tuple[str, ...]] = Counter()
        for line in raw.splitlines():
            stack, _, count = line.rpartition(" ")
            # A torn sample may have any text of the process for a name, with line ends in it.
            if stack and count.isdigit():
                stacks[tuple(map(_named, _inner(stack.split(";"))))] += int(count)
        return cls(stacks)

    def shares(self) -> Iterator[tuple[str, float]]:
        """The share of each of `PARTS`, and of Trio below each."""
        counts: Counter[str] = Counter()
        for stack, count in self.stacks.items():
            counts[part_of(stack)] += count
        whole = sum(counts.values()) or 1
        for name, count in counts.most_common():
            yield name, count / whole


def _inner(stack: Sequence[str]) -> Sequence[str]:
    """``stack`` without what every stack begins with: the command line's functions, and a thread's."""
    begins = [at for at, frame in enumerate(stack) if frame.startswith(("unrolled_run (", "_handle_job ("))]
    return stack[begins[0] :] if begins else stack


def _named(frame: str) -> str:
    """``frame`` with its file as of its package, whatever folder that is in on this machine."""
    name, _, file = frame.partition(" (")
    return f"{name} ({_FOLDERS.sub('', file)}" if file else name


def part_of(stack: Iterable[str]) -> str:
    """The part of the code that the innermost frame of ``stack`` belongs to."""
    for frame in reversed(tuple(stack)):
        for name, pattern in _PARTS:
            if pattern.search(frame):
                return name
    return "Python, before and after"


async def converse(context: ScenarioContext, clients: int) -> None:
    """Let ``clients`` talk with the companion, one turn after the other, as often as the plan says."""

    async def talk(file: str) -> None:
        async with context.open_page(file) as client:
            for number in range(context.plan.crowd_turns):
                await client.ask(TOLD[number % len(TOLD)])
                await client.finish_turn()

    async with trio.open_nursery() as nursery:
        for _ in range(clients):
            nursery.start_soon(talk, COMPANION)


async def measure(asked: argparse.Namespace, raw: Path) -> None:
    """Let clients talk, and sample the server meanwhile."""
    raise_file_limit()
    cores = placement()
    plan = attrs.evolve(small(), crowd_turns=asked.turns)
    async with open_engine_server(cores.load) as engines:
        plan = attrs.evolve(plan, engine_port=engines.port)
        async with (
            open_own_server(plan, program=ServerProgram.parse(asked.program), cores=cores.server) as server,
            open_probe(server.address, server.pid) as probe,
        ):
            pin(os.getpid(), cores.load)
            context = ScenarioContext(
                server.address, plan, probe, True, lambda _: None,
                engines=attrs.evolve(engines, client_pid=server.pid),
            )  # fmt: skip
            # The first turns import, connect and warm up.
            await ask_at_once(attrs.evolve(context, plan=attrs.evolve(plan, crowd_turns=2)), asked.clients)
            spy = await trio.lowlevel.open_process(
                [asked.py_spy, "record", "--rate", str(RATE), "--function", "--nonblocking",
                 "--format", "raw", "--duration", "3600", "--output", str(raw), "--pid", str(server.pid)],
                stdout=subprocess.DEVNULL,
            )  # fmt: skip
            await trio.sleep(1)
            before = await probe.cpu()
            await (converse if asked.companion else ask_at_once)(context, asked.clients)
            cpu = await probe.cpu() - before
            spy.send_signal(signal.SIGINT)
            if await spy.wait() or not await trio.Path(raw).exists():
                sys.exit("py-spy has failed; its error message is above")
    print(f"{asked.clients} clients, {1000 * cpu / asked.clients / asked.turns:.2f} ms of CPU a turn\n")


@attrs.define
class Frame:
    """A function below others, and in how many samples it was seen there."""

    name: str
    count: int = 0
    below: dict[str, Frame] = attrs.field(factory=dict)

    def add(self, stack: Sequence[str], count: int) -> None:
        self.count += count
        if stack:
            self.below.setdefault(stack[0], Frame(stack[0])).add(stack[1:], count)

    @property
    def depth(self) -> int:
        return 1 + max((frame.depth for frame in self.below.values()), default=0)


def draw(samples: Samples, title: str) -> str:
    """The flame graph as SVG: nothing that is less than `THIN` of the whole, and no path of this machine."""
    whole = Frame("all")
    for stack, count in samples.stacks.items():
        whole.add(stack, count)
    prune(whole, THIN * whole.count)
    height = (whole.depth + 1) * ROW + 10
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" '
        f'font-size="10"><rect width="100%" height="100%" fill="#fff"/>'
        f'<text x="4" y="13" font-size="12">{escape(title)}</text>'
    ]
    boxes(whole, 0.0, height - ROW - 4, WIDTH / max(whole.count, 1), lines, whole.count)
    return "\n".join([*lines, "</svg>"]) + "\n"


def prune(frame: Frame, least: float) -> None:
    frame.below = {name: one for name, one in frame.below.items() if one.count >= least}
    for one in frame.below.values():
        prune(one, least)


def boxes(frame: Frame, x: float, y: float, scale: float, lines: list[str], whole: int) -> None:
    """``frame`` and what is below it, which is drawn above it as in all flame graphs."""
    width = frame.count * scale
    colour = COLOURS.get(part_of([frame.name]), "#ddd")
    shown = frame.name.partition(" (")[0]
    fits = int(width / 5.6)
    text = shown if len(shown) <= fits else shown[: max(fits - 1, 0)] + "…" * (fits > 3)
    lines.append(
        f"<g><title>{escape(frame.name)}: {100 * frame.count / whole:.1f} %</title>"
        f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="{ROW - 1}" fill="{colour}"/>'
        + (f'<text x="{x + 2:.1f}" y="{y + 11}">{escape(text)}</text>' if fits > 3 else "")
        + "</g>"
    )
    for one in sorted(frame.below.values(), key=lambda one: one.name):
        boxes(one, x, y - ROW, scale, lines, whole)
        x += one.count * scale


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--turns", type=int, default=30)
    parser.add_argument("--companion", action="store_true", help="talk with the companion instead")
    parser.add_argument("--program", default="", help="another program to measure, as of prove")
    parser.add_argument("--py-spy", default="py-spy")
    parser.add_argument("--title", default="")
    parser.add_argument("--raw", type=Path, help="file to keep the samples in; one that is there is drawn")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        raw = asked.raw or Path(folder) / "raw"
        if not raw.exists():
            trio.run(measure, asked, raw)
        samples = Samples.read(raw.read_text())
    for name, share in samples.shares():
        print(f"| {name} | {100 * share:.0f} % |")
    asked.file.write_text(draw(samples, asked.title or f"{asked.clients} clients"))


if __name__ == "__main__":
    main()
