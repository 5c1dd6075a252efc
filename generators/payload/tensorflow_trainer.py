"""Training steps in TensorFlow, with every setting applied and the proof that it is in effect."""

from __future__ import annotations

import os

# TensorFlow writes its start-up notes to stderr, where they would drown a message of ours; errors stay.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import numpy as np
import tensorflow as tf

POLICIES = {"bf16": "mixed_bfloat16", "fp16": "mixed_float16"}
PRECISIONS = {"float32": "fp32", "bfloat16": "bf16", "float16": "fp16"}


class Trainer:
    """One network with its optimiser. A step is forward, loss, backward and Adam."""

    def __init__(
        self, network: str, parameters: dict[str, float], settings: dict[str, str], seed: int
    ) -> None:
        self.settings = settings
        if "threads" in settings:
            tf.config.threading.set_intra_op_parallelism_threads(int(settings["threads"]))
            tf.config.threading.set_inter_op_parallelism_threads(int(settings["threads"]))
        keras.utils.set_random_seed(seed)
        if settings.get("determinism") == "on":
            tf.config.experimental.enable_op_determinism()
        if "fp32_mode" in settings:
            tf.config.experimental.enable_tensor_float_32_execution(settings["fp32_mode"] == "tf32")
        precision = settings.get("precision", "fp32")
        keras.mixed_precision.set_dtype_policy(POLICIES.get(precision, "float32"))
        # The networks read the policy when their layers are made, so they are imported no earlier than it is
        # set.
        import tensorflow_networks

        self.model = tensorflow_networks.build(network, parameters)
        self.variables = self.model.trainable_variables
        self.parameter_count = sum(int(np.prod(variable.shape)) for variable in self.variables)
        self.loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        self.optimizer: keras.optimizers.Optimizer = keras.optimizers.Adam(parameters["learning_rate"])
        if precision == "fp16":
            self.optimizer = keras.optimizers.LossScaleOptimizer(self.optimizer)
        self.optimizer.build(self.variables)
        self.compiler = settings.get("compiler", "tf-graph")
        self.graph = (
            None if self.compiler == "eager" else tf.function(self._step, jit_compile=self.compiler == "xla")
        )

    def prepare(self, x: np.ndarray, y: np.ndarray) -> tuple[tf.Tensor, tf.Tensor]:
        """A batch as tensors."""
        return tf.constant(x), tf.constant(y)

    def step(self, batch: tuple[tf.Tensor, tf.Tensor]) -> None:
        """One whole training step."""
        (self.graph or self._step)(*batch)

    def _step(self, x: tf.Tensor, y: tf.Tensor) -> None:
        with tf.GradientTape() as tape:
            loss = self.loss(y, self.model(x, training=True))
            scaled = self.optimizer.scale_loss(loss)
        self.optimizer.apply(tape.gradient(scaled, self.variables), self.variables)

    def accuracy(self, batches: list[tuple[tf.Tensor, tf.Tensor]]) -> float:
        """The share of samples whose class is found."""
        right = total = 0
        for x, y in batches:
            right += int(np.sum(np.argmax(self.model(x, training=False).numpy(), 1) == y.numpy()))
            total += len(y)
        return right / total

    def synchronise(self) -> None:
        """Wait until the devices have done what was asked."""
        if tf.config.list_physical_devices("GPU"):
            tf.test.experimental.sync_devices()

    def in_effect(self, batch: tuple[tf.Tensor, tf.Tensor]) -> dict:
        """What the framework itself reports: dtypes of the layers' results, thread pools, the compiled
        function.
        """
        computing = [
            layer
            for layer in self.model.layers
            if isinstance(layer, (keras.layers.Conv2D, keras.layers.Dense, keras.layers.LSTM))
        ]
        seen = tf.keras.Model(self.model.input, computing[0].output)(batch[0], training=False)
        compiler = "eager"
        if self.graph is not None and self.graph.experimental_get_tracing_count() > 0:
            compiler = "xla" if self.graph.function_spec.jit_compile else "tf-graph"
        effect = {
            "precision": PRECISIONS[seen.dtype.name],
            "compiler": compiler,
            "fp32_mode": _fp32_mode(),
            "threads": tf.config.threading.get_intra_op_parallelism_threads() or len(os.sched_getaffinity(0)),
            "device": "gpu" if tf.config.list_physical_devices("GPU") else "cpu",
            "onednn": _onednn_is_on(),
        }
        if any(isinstance(layer, keras.layers.Conv2D) for layer in computing):
            effect["memory_format"] = keras.config.image_data_format()
        return effect

    def versions(self) -> dict:
        """The versions of TensorFlow and Keras."""
        return {"tensorflow": tf.__version__, "keras": keras.__version__}

    def device_memory(self) -> dict:
        """The peak of an accelerator's memory; nothing on a CPU."""
        if not tf.config.list_physical_devices("GPU"):
            return {}
        return {"device_peak_memory_mib": tf.config.experimental.get_memory_info("GPU:0")["peak"] / 2**20}


def _fp32_mode() -> str:
    """What fp32 products are computed in: TF32 where TensorFlow may, and there is a GPU that could."""
    allowed = tf.config.experimental.tensor_float_32_execution_enabled() and tf.config.list_physical_devices(
        "GPU"
    )
    return "tf32" if allowed else "ieee"


def _onednn_is_on() -> bool | None:
    try:
        from tensorflow.python.util import _pywrap_util_port
    except ImportError:  # not a public module: without it the answer is unknown
        return None
    return bool(_pywrap_util_port.IsMklEnabled())
