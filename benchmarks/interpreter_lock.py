"""What lets go of the interpreter's lock while it works, and what it costs.

``python benchmarks/interpreter_lock.py``. A second thread counts, and nobody makes the first give the lock
up: where the count is larger after a call than before it, the call has let go. So it can be seen on a busy
machine too, where two threads are never twice as fast. What needs a missing package is left out, so that it
runs on a free-threaded Python.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import ssl
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

TRIES = 50
SOUND = bytes(range(256)) * 1_000  # 256 kB: 5 s at 24 kHz


def works() -> Iterator[tuple[str, Callable[[], object]]]:
    """What a server does that is not Python's own bytecode, and a loop that is, to compare with."""
    yield "a loop of Python", lambda: sum(number & 7 for number in range(20_000))
    yield "base64, 256 kB", lambda: base64.b64encode(SOUND)
    yield "blake2b, 256 kB", lambda: hashlib.blake2b(SOUND).digest()
    yield "TLS records, 256 kB out and in", _tls()
    try:
        import msgspec
    except ImportError:
        pass
    else:
        text = msgspec.json.encode({"audio": base64.b64encode(SOUND).decode(), "volumes": [0.5] * 250})
        floats = msgspec.json.encode([0.123456789] * 20_000)
        yield "JSON with 340 kB of sound, decoded", lambda: msgspec.json.decode(text)
        yield "JSON of 20 000 samples, decoded", lambda: msgspec.json.decode(floats, type=list[float])
    try:
        from trio_backend.audio.encoding import encode_sound
        from trio_backend.audio.pcm import Pcm
    except ImportError:
        return
    pcm = Pcm(SOUND, 24_000)
    yield "sound for a page: WAV, base64, volumes", lambda: encode_sound(pcm)
    yield "resampling 24 to 16 kHz", lambda: pcm.resampled(16_000)


def _tls() -> Callable[[], object]:
    folder = Path(__file__).parents[1] / "tests" / "server" / "tls"
    certificate, key = sorted(folder.glob("*cert*.pem"))[0], sorted(folder.glob("*key*.pem"))[0]
    local = threading.local()

    def pair() -> tuple[ssl.SSLObject, ssl.SSLObject, ssl.MemoryBIO]:
        server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        server.load_cert_chain(certificate, key)
        client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
        to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
        ours = server.wrap_bio(to_server, to_client, server_side=True)
        theirs = client.wrap_bio(to_client, to_server)
        for end in (theirs, ours, theirs, ours):
            with contextlib.suppress(ssl.SSLWantReadError):
                end.do_handshake()
        return ours, theirs, to_client

    def work() -> object:
        if not hasattr(local, "pair"):
            local.pair = pair()
        ours, theirs, _ = local.pair
        ours.write(SOUND)
        left = len(SOUND)
        while left:
            left -= len(theirs.read(65_536))
        return left

    return work


def main() -> None:
    """Print the table."""
    enabled = getattr(sys, "_is_gil_enabled", lambda: True)()
    print(f"Python {sys.version.split()[0]}, interpreter lock {'on' if enabled else 'off'}")
    print("| work | ms of CPU | lets go of the lock |\n| --- | --- | --- |")
    count, over = 0, threading.Event()

    def tick() -> None:
        nonlocal count
        while not over.is_set():
            count += 1
            time.sleep(0)

    sys.setswitchinterval(10)
    ticking = threading.Thread(target=tick)
    ticking.start()
    for name, work in works():
        work()
        costs, went = [], 0
        for _ in range(TRIES):
            before, began = count, time.thread_time()
            work()
            costs.append(time.thread_time() - began)
            went += count > before
            time.sleep(0)
        print(f"| {name} | {1000 * min(costs):.3f} | in {went} of {TRIES} calls |", flush=True)
    over.set()
    ticking.join()


if __name__ == "__main__":
    main()
