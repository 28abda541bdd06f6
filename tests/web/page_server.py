"""A real server in a child process; its characters need no key and no model, and its port stays the same."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import attrs

import trio_backend
from tests.ports import unused_port

WEB = Path(trio_backend.__file__).parent / "web"

# The echo says what it is told, so a test chooses the reply; the TTS takes as long as a fast speaker.
_BASE = """
system_config: {{host: 127.0.0.1, port: {port}, config_alts_dir: characters{system}}}
character_config:
  conf_name: Mao
  conf_uid: mao_001
  character_name: Mao
  live2d_model_name: mao
  persona_prompt: You are Mao.
  agent_config:
    agent_settings: {{basic_memory_agent: {{llm_provider: echo_llm}}}}
    llm_configs: {{echo_llm: {{first_token_delay: 0.05, token_delay: 0.002}}}}
  tts_config: {{tts_model: tone_tts, tone_tts: {{seconds_per_character: 0.025}}}}
{character}"""
_ANN = "character_config: {conf_name: Ann, conf_uid: ann_001, character_name: Ann}\n"
_SLOW = """
character_config:
  conf_name: Slow
  conf_uid: slow_001
  character_name: Slow
  agent_config: {llm_configs: {echo_llm: {load: 60}}}
"""
_EVIL = """
character_config:
  conf_name: '<b>Evil</b>'
  conf_uid: evil_001
  character_name: '<img src=x onerror=alert(1)>'
"""
_BROKEN = """
character_config:
  conf_name: Broken
  conf_uid: broken_001
  character_name: Broken
  tts_config: {tts_model: espeak_tts, espeak_tts: {voice: nobodys-voice}}
"""
_PAINTED = """
character_config:
  {{conf_name: {name}, conf_uid: {name}_001, character_name: {name}, live2d_model_name: {name}}}
"""
_EMOTIONS = {"neutral": 0, "anger": 2, "joy": 3}
_MODELS = [
    {"name": "mao", "url": "", "tint": 330, "hair": "bob parted", "emotionMap": _EMOTIONS},
    {"name": "painted", "url": "/avatars/painted.svg", "emotionMap": _EMOTIONS},
    {"name": "torn", "url": "/avatars/not-there.png", "emotionMap": _EMOTIONS},
]
_PICTURE = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><circle cx="4" cy="4" r="4"/></svg>'


@attrs.define(eq=False)
class PageServer:
    """A server that can be killed, and started again where it was. Not running at first."""

    folder: Path
    port: int
    query: str = ""
    """What its address is opened with."""
    _process: subprocess.Popen[bytes] | None = attrs.field(default=None, init=False)

    @property
    def url(self) -> str:
        return f"{self.at('')}{self.query}"

    def at(self, path: str) -> str:
        """The address of what is under ``path`` there."""
        return f"http://127.0.0.1:{self.port}/{path}"

    @property
    def running(self) -> bool:
        return self._process is not None

    def start(self, *, within: float = 30) -> None:
        """Start, and wait until the server is ready. Raises `RuntimeError` with its log if that fails."""
        log = self.folder / "log"
        command = [sys.executable, "-m", "trio_backend", "serve", str(self.folder / "conf.yaml")]
        with log.open("ab") as output:
            self._process = subprocess.Popen(command, cwd=self.folder, stdout=output, stderr=output)
        deadline = time.monotonic() + within
        while time.monotonic() < deadline and self._process.poll() is None:
            if _ready(f"{self.at('readyz')}{self.query}"):
                return
            time.sleep(0.05)
        self.kill()
        raise RuntimeError(f"the server did not start:\n{log.read_text('utf-8')[-2000:]}")

    def kill(self) -> None:
        """End it at once, as a power cut would."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM if sys.platform == "win32" else signal.SIGKILL)
            self._process.wait(10)
            self._process = None


def build_page_server(folder: Path, *, system: str = "", character: str = "", query: str = "") -> PageServer:
    """Write the configuration of such a server into ``folder``.

    ``system`` are more keys of a flow mapping, from the comma on; ``character`` more lines of the base
    character.
    """
    port = unused_port()
    characters = folder / "characters"
    characters.mkdir(parents=True)
    (folder / "conf.yaml").write_text(_BASE.format(port=port, system=system, character=character), "utf-8")
    (folder / "model_dict.json").write_text(json.dumps(_MODELS), "utf-8")
    (folder / "avatars").mkdir()
    (folder / "avatars" / "painted.svg").write_text(_PICTURE, "utf-8")
    painted = {name: _PAINTED.format(name=name) for name in ("painted", "torn")}
    for name, text in {"ann": _ANN, "slow": _SLOW, "evil": _EVIL, "broken": _BROKEN, **painted}.items():
        (characters / f"{name}.yaml").write_text(text, "utf-8")
    return PageServer(folder, port, query)


def _ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
