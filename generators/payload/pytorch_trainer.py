"""Training steps in PyTorch, with every setting applied and the proof that it is in effect."""

from __future__ import annotations

import contextlib
import functools

import numpy as np
import pytorch_networks
import torch
from catalogue import RequestError
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

AUTOCAST = {"bf16": torch.bfloat16, "fp16": torch.float16}


def _compute_fp32_in(mode: str) -> None:
    """What fp32 products are computed in. The older switches of TF32 act in every release, reach convolutions
    and recurrent layers too, and are those that TorchInductor reads; `torch.backends.fp32_precision` does not
    reach convolutions before PyTorch 2.13."""
    if mode == "bf16":
        torch.backends.fp32_precision = mode
    else:
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = mode == "tf32"


def _fp32_mode() -> str:
    """What fp32 products are computed in, as PyTorch itself says: `tf32` where any of its libraries may use
    that on the device at hand.
    """
    general = getattr(torch.backends, "fp32_precision", "none")
    if general not in ("none", "ieee"):
        return str(general)
    return (
        "tf32"
        if torch.cuda.is_available()
        and (torch.backends.cuda.matmul.allow_tf32 or torch.backends.cudnn.allow_tf32)
        else "ieee"
    )


class Trainer:
    """One network with its optimiser. A step is forward, loss, backward and Adam."""

    def __init__(
        self, network: str, parameters: dict[str, float], settings: dict[str, str], seed: int
    ) -> None:
        self.settings = settings
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        torch.manual_seed(seed)
        if "threads" in settings:
            torch.set_num_threads(int(settings["threads"]))
        # Denormal flushing is a flag of each thread; set before the first parallel region it reaches the
        # pool's threads too.
        self.flushes_denormals = settings.get("flush_denormal") == "on" and torch.set_flush_denormal(True)
        torch.use_deterministic_algorithms(settings.get("determinism") == "on")
        if "fp32_mode" in settings:
            _compute_fp32_in(settings["fp32_mode"])
        dropout = (
            pytorch_networks.MaskBitsDropout
            if settings.get("dropout_impl") == "mask_bits"
            else torch.nn.Dropout
        )
        self.module = pytorch_networks.build(network, parameters, dropout).to(self.device)
        if settings.get("pooling_order") == "first":
            pytorch_networks.pool_first(self.module)
        if settings.get("checkpointing") == "on":
            self._recompute_blocks(network)
        self.memory_format = (
            torch.channels_last
            if settings.get("memory_format") == "channels_last"
            else torch.contiguous_format
        )
        if self.memory_format is torch.channels_last:
            self.module.to(memory_format=torch.channels_last)
        self.parameter_count = sum(parameter.numel() for parameter in self.module.parameters())
        choice = settings.get("optimizer_impl", "default")
        implementation = {} if choice == "default" else {choice: True}
        self.optimizer = torch.optim.Adam(
            self.module.parameters(), lr=parameters["learning_rate"], **implementation
        )
        self.autocast_type = AUTOCAST.get(settings.get("precision", "fp32"))
        # fp16 has so small a range that gradients vanish without scaling; bf16 has the range of fp32.
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.autocast_type is torch.float16)
        self.forward = self.module
        if settings.get("compiler") == "inductor":
            self.forward = torch.compile(self.module, mode=settings.get("compile_mode", "default"))

    def prepare(self, x: np.ndarray, y: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        """A batch on the device; images, which come as height, width, channels, in the layout of the
        settings.
        """
        inputs = torch.from_numpy(np.ascontiguousarray(x))
        if x.ndim == 4:
            # A clone, not .contiguous(): with one channel the strides fit both layouts, that call leaves them
            # alone, and the first convolution answers in the layout that they suggest, whatever was asked
            # for.
            inputs = inputs.permute(0, 3, 1, 2).clone(memory_format=self.memory_format)
        return inputs.to(self.device), torch.from_numpy(y).to(self.device)

    def step(self, batch: tuple[torch.Tensor, torch.Tensor]) -> None:
        """One whole training step."""
        x, y = batch
        self.optimizer.zero_grad(set_to_none=True)
        with self._autocast():
            loss = functional.cross_entropy(self.forward(x), y)
        if self.scaler.is_enabled():
            self.scaler.scale(loss).backward()
            self.scaler.step(self.optimizer)
            self.scaler.update()
        else:
            loss.backward()
            self.optimizer.step()

    def accuracy(self, batches: list[tuple[torch.Tensor, torch.Tensor]]) -> float:
        """The share of samples whose class is found."""
        self.module.eval()
        right = total = 0
        with torch.no_grad(), self._autocast():
            for x, y in batches:
                right += int((self.module(x).argmax(1) == y).sum())
                total += len(y)
        self.module.train()
        return right / total

    def synchronise(self) -> None:
        """Wait until the device has done what was asked."""
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def in_effect(self, batch: tuple[torch.Tensor, torch.Tensor]) -> dict:
        """What the framework itself reports, from a forward pass outside the compiled step and from its own
        state.
        """
        seen: dict = {}

        def watch(layer: torch.nn.Module, _inputs: tuple, output: object) -> None:
            tensor = output[0] if isinstance(output, tuple) else output
            if not isinstance(tensor, torch.Tensor):
                return
            if isinstance(layer, (torch.nn.Conv2d, torch.nn.Linear, torch.nn.LSTM)):
                seen.setdefault(
                    "precision",
                    {torch.float32: "fp32", torch.bfloat16: "bf16", torch.float16: "fp16"}[tensor.dtype],
                )
            if isinstance(layer, torch.nn.Conv2d) and tensor.shape[1] > 1:
                last = tensor.is_contiguous(memory_format=torch.channels_last) and not tensor.is_contiguous()
                seen.setdefault("memory_format", "channels_last" if last else "contiguous")

        hooks = [layer.register_forward_hook(watch) for layer in self.module.modules()]
        with torch.no_grad(), self._autocast():
            self.module(batch[0])
        for hook in hooks:
            hook.remove()
        compiled = (
            torch._dynamo.utils.counters["stats"].get("unique_graphs", 0)
            if self.forward is not self.module
            else 0
        )
        group = self.optimizer.param_groups[0]
        return {
            **seen,
            "compiler": "inductor" if compiled else "eager",
            "threads": torch.get_num_threads(),
            "flush_denormal": "on" if self.flushes_denormals else "off",
            "fp32_mode": _fp32_mode(),
            "optimizer_impl": next((name for name in ("fused", "foreach") if group.get(name)), "default"),
            "pooling_order": "first" if pytorch_networks.pools_first(self.module) else "default",
            "determinism": "on" if torch.are_deterministic_algorithms_enabled() else "off",
            "device": torch.cuda.get_device_name() if self.device.type == "cuda" else "cpu",
            "cpu_capability": torch.backends.cpu.get_cpu_capability(),
            "onednn": torch.backends.mkldnn.is_available(),
            "parallel": " ".join(
                line.strip() for line in torch.__config__.parallel_info().splitlines() if "OpenMP" in line
            ),
        }

    def versions(self) -> dict:
        """The framework's version, and the toolkit's where there is one."""
        found = {"torch": torch.__version__}
        if torch.version.cuda:
            found["cuda"] = torch.version.cuda
        return found

    def device_memory(self) -> dict:
        """The peak of an accelerator's memory; nothing on a CPU."""
        if self.device.type != "cuda":
            return {}
        return {"device_peak_memory_mib": torch.cuda.max_memory_allocated() / 2**20}

    def _recompute_blocks(self, network: str) -> None:
        """Keep only the inputs of the repeated blocks, and compute what is inside again in the backward pass."""
        blocks = [
            layer
            for layer in self.module.modules()
            if isinstance(layer, (pytorch_networks.Bottleneck, torch.nn.TransformerEncoderLayer))
        ]
        if not blocks:
            raise RequestError(
                f"setting checkpointing=on: network {network!r} has no repeated blocks to compute again"
            )
        for block in blocks:
            block.forward = functools.partial(checkpoint, block.forward, use_reentrant=False)

    def _autocast(self) -> contextlib.AbstractContextManager:
        if self.autocast_type is None:
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, self.autocast_type)
