"""The child process of `sherpa_onnx_tts`: a text in, sound out, as `speech_process` has it."""

from __future__ import annotations

from typing import Any

from ...errors import EngineError
from ...installation import extra_remedy, install
from ..child_process import Work, work
from ..speech_process import int16, muted, speaking


def load(settings: dict[str, Any]) -> Work:
    """The model of ``settings``. For most that it cannot use, sherpa-onnx ends the process."""
    try:
        import sherpa_onnx
    except ImportError:
        raise EngineError(
            f"sherpa_onnx_tts: the library is not installed: {extra_remedy('sherpa')}"
        ) from None
    names = ("model", "tokens", "lexicon", "data_dir", "dict_dir")
    files = {name: settings[f"vits_{name}"] for name in names if settings[f"vits_{name}"]}
    config = sherpa_onnx.OfflineTtsConfig(
        model=sherpa_onnx.OfflineTtsModelConfig(
            vits=sherpa_onnx.OfflineTtsVitsModelConfig(**files),
            provider=settings["provider"],
            num_threads=settings["num_threads"],
        ),
        rule_fsts=settings["tts_rule_fsts"],
        max_num_sentences=settings["max_num_sentences"],
    )
    try:
        if not config.validate():
            raise EngineError(
                "sherpa_onnx_tts: a file is missing in vits_data_dir or vits_dict_dir; unpack the model again"
            )
        tts = sherpa_onnx.OfflineTts(config)
    except (RuntimeError, ValueError) as error:
        raise EngineError(f"sherpa_onnx_tts: the model cannot be loaded: {error}") from error
    if not settings["vits_lexicon"]:
        _check_phonemes(tts, settings)
    most = settings["max_sound"] * tts.sample_rate

    def say(text: str) -> list[bytes]:
        parts, count = [], 0

        def take(samples: Any, _progress: float) -> int:
            # From here they are an array; the result has them as a list, which takes a second for a minute.
            nonlocal count
            parts.append(int16(samples))
            count += len(samples)
            return 0 if count > most else 1

        tts.generate(text, sid=settings["sid"], speed=settings["speed"], callback=take)
        return parts

    return speaking("sherpa_onnx_tts", tts.sample_rate, settings["max_sound"], say)


def _check_phonemes(tts: Any, settings: dict[str, Any]) -> None:
    """Raise `EngineError` if the model, without a lexicon, says nothing at all.

    Without one it needs espeak-ng, unless its tokens are letters; and sherpa-onnx 2 has no espeak-ng.
    """
    with open(settings["vits_tokens"], encoding="utf-8", errors="replace") as file:
        tokens = [line.split(" ")[0] for line in file]
    letters = [token for token in tokens if len(token) == 1 and token.isalnum()]
    with muted():
        silent = not tts.generate("".join(letters[:20])).samples
    if silent:
        raise EngineError(
            "sherpa_onnx_tts: the model says nothing without a vits_lexicon. With vits_data_dir alone it "
            f"needs an older library, `{install('sherpa-onnx<2')}`; or give it to piper_tts, if it is Piper's"
        )


if __name__ == "__main__":
    work(load)
