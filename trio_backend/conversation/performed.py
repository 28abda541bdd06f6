"""`Performed`: a line of a reply that was made audible."""

from __future__ import annotations

import attrs
import trio

from ..audio.encoding import encode_sound
from ..audio.pcm import Pcm
from ..text.lines import Line

# Sound up to this size is encoded where we stand: handing it to a thread would cost more than the work.
ENCODE_INLINE = 64 * 1024  # bytes of samples


@attrs.frozen
class Performed:
    """A line made audible: ``wav`` in base64 and its ``volumes``, or None and ``()`` without sound."""

    line: Line
    wav: bytes | None = attrs.field(default=None, repr=False)
    volumes: tuple[float, ...] = attrs.field(default=(), repr=False)
    seconds: float = 0.0


async def encode(pcm: Pcm) -> tuple[bytes, tuple[float, ...]]:
    """WAV in base64 and volumes; long sound in a thread, since the loop has no 10 ms to spare."""
    if len(pcm.samples) <= ENCODE_INLINE:
        return encode_sound(pcm)
    return await trio.to_thread.run_sync(encode_sound, pcm, abandon_on_cancel=True)
