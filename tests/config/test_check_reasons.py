"""`trio-backend check` names each setting that does nothing, with the reason."""

from __future__ import annotations

from pathlib import Path

from trio_backend.check import check

FILE = """\
character_config:
  conf_name: a
  conf_uid: b
  persona_prompt: You are a.
  asr_config:
    asr_model: whisper_cpp
    whisper_cpp:
      model_name: small
      print_progress: false
      print_realtime:
"""


def test_a_setting_without_effect_is_named_with_its_reason(tmp_path: Path) -> None:
    """Where it stands; one that is not given, or of an engine that is not chosen, is not worth a word."""
    (tmp_path / "conf.yaml").write_text(FILE, "utf-8")
    found = [finding for finding in check(tmp_path / "conf.yaml", {}) if "no effect" in finding.message]
    assert [(one.severity, one.line, one.key) for one in found] == [
        ("note", 9, "character_config.asr_config.whisper_cpp.print_progress")
    ]
    assert "not to the terminal" in found[0].message
