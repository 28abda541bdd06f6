"""The child process of `smart_turn`: 16 kHz samples in, the probability that somebody has finished out."""

from __future__ import annotations

from typing import Any

from ...errors import EngineError
from ...installation import extra_remedy
from ..child_process import Work, work


def load(settings: dict[str, Any]) -> Work:
    """The model of ``settings``, which is tried once: a file of another kind fails here."""
    try:
        import onnxruntime
        from onnxruntime.capi import onnxruntime_pybind11_state as errors
    except ImportError:
        raise EngineError(
            f"turn_model: the library onnxruntime is not installed: {extra_remedy('turn')}"
        ) from None
    from .log_mel import BANDS, FRAMES, log_mel

    options = onnxruntime.SessionOptions()
    # One core: another one has the conversation.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    names = ("Fail", "InvalidArgument", "InvalidGraph", "InvalidProtobuf", "NotImplemented")
    onnx_errors: tuple[type[Exception], ...] = tuple(getattr(errors, name) for name in names)
    try:
        session = onnxruntime.InferenceSession(
            settings["model"], sess_options=options, providers=["CPUExecutionProvider"]
        )
    except onnx_errors as error:
        raise EngineError(f"turn_model: the file is no model that onnxruntime knows: {error}") from None
    inputs = session.get_inputs()
    if [entry.name for entry in inputs] != ["input_features"] or inputs[0].shape[1:] != [BANDS, FRAMES]:
        found = ", ".join(f"{entry.name} {entry.shape}" for entry in inputs)
        raise EngineError(
            f"turn_model: a model with the input of Smart Turn v3 is needed, input_features "
            f"[batch, {BANDS}, {FRAMES}]; this one takes {found}"
        )

    def judge(samples: bytes) -> str:
        try:
            outputs = session.run(None, {"input_features": log_mel(samples)[None]})
        except onnx_errors as error:
            raise EngineError(f"turn_model: the model cannot be run: {error}") from None
        probability = float(outputs[0].reshape(-1)[0])
        # NaN, too.
        if not 0 <= probability <= 1:
            raise EngineError("turn_model: its output is no probability, as that of Smart Turn v3 is")
        return repr(probability)

    judge(b"")
    return judge


if __name__ == "__main__":
    work(load)
