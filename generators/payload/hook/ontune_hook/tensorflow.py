"""TensorFlow: what it is told before its first operation."""

from __future__ import annotations

from .outcome import Outcome


def attach(tensorflow, asked: dict) -> None:
    """Apply what TensorFlow itself is told.

    Args:
        tensorflow: the module.
        asked: as in `ontune_hook.start`.
    """
    outcome = Outcome(asked.get("settings", {}), {})
    config = tensorflow.config
    for name, value in outcome.asked.items():
        if name == "threads":
            config.threading.set_intra_op_parallelism_threads(int(value))
            config.threading.set_inter_op_parallelism_threads(int(value))
        elif (name, value) == ("determinism", "on"):
            config.experimental.enable_op_determinism()
        elif (name in ("fp32_mode", "precision")) and value in ("ieee", "tf32"):
            config.experimental.enable_tensor_float_32_execution(value == "tf32")


def in_effect(tensorflow) -> dict:
    """What TensorFlow itself reports."""
    config = tensorflow.config
    return {
        "framework": "tensorflow " + tensorflow.__version__,
        "threads": config.threading.get_intra_op_parallelism_threads(),
        "fp32_mode": "tf32" if config.experimental.tensor_float_32_execution_enabled() else "ieee",
        "determinism": "on" if _is_deterministic() else "off",
    }


def _is_deterministic() -> bool:
    from tensorflow.python.framework import config  # the public module sets it alone

    return config.is_op_determinism_enabled()
