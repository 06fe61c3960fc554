"""A file that `accelerate config` has written, as far as it means something here.

Nothing in it is ignored silently: a key stands for a setting that must agree with it, for how weights are sharded, or
for what launchers do themselves.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from sweep.errors import InputError
from sweep.settings import Settings
from sweep.settings.wording import listed, written

PRECISIONS = {"no": "float32", "bf16": "bf16"}
PLAIN = ("NO", "MULTI_CPU", "MULTI_GPU")
NOTHING: tuple[Any, ...] = (None, False, {}, [], "", "no")

# What launchers and trackers do themselves, with the values that ask for nothing else.
_LEFT_TO_LAUNCHERS: dict[str, tuple[Any, ...]] = {
    "compute_environment": ("LOCAL_MACHINE",),
    "machine_rank": (0,),
    "num_machines": (1,),
    "rdzv_backend": ("static", "c10d"),
    "same_network": (True, False),
    "main_training_function": ("main",),
    "gpu_ids": ("all", None),
    **dict.fromkeys(
        ("debug", "enable_cpu_affinity", "downcast_bf16", "main_process_ip", "main_process_port"), NOTHING
    ),
    **dict.fromkeys(("tpu_env", "tpu_use_cluster", "tpu_use_sudo", "tpu_name", "tpu_zone", "commands"), NOTHING),
    **dict.fromkeys(("deepspeed_config", "megatron_lm_config", "mpirun_config", "fp8_config"), NOTHING),
    "parallelism_config": NOTHING,
}
_MEANT = ("distributed_type", "num_processes", "mixed_precision", "use_cpu", "dynamo_config", "fsdp_config")
_SECTIONS = ("dynamo_config", "fsdp_config")
_FSDP: dict[str, tuple[Any, ...]] = {
    "fsdp_version": (2,),
    "fsdp_reshard_after_forward": (True, False),
    "fsdp_auto_wrap_policy": ("TRANSFORMER_BASED_WRAP",),
    "fsdp_state_dict_type": ("FULL_STATE_DICT",),
    "fsdp_offload_params": (False,),
    "fsdp_cpu_ram_efficient_loading": (False,),
    "fsdp_activation_checkpointing": (True, False),
}


@dataclass(frozen=True)
class Sharding:
    """Weights in parts on all ranks. `layers`: classes of what is put together at a time (empty: the layers of the
    encoder's longest stack); `reshard`: whether they are taken apart again between forward and backward pass."""

    layers: tuple[str, ...] = ()
    reshard: bool = True


@dataclass(frozen=True)
class AccelerateConfig:
    """What is left of a file that agrees with the settings."""

    sharding: Sharding | None = None
    use_cpu: bool = False


def accelerate_config(settings: Settings) -> AccelerateConfig:
    """What the file of `launcher.accelerate_config` asks for; without one, nothing. Raises InputError if it cannot be
    read, has a key that means nothing here, or does not agree with the settings."""
    place = settings.launcher.accelerate_config
    if place is None:
        return AccelerateConfig()
    try:
        content = yaml.safe_load(Path(place).read_text(encoding="utf-8"))  # JSON is YAML, too
    except (OSError, ValueError, yaml.YAMLError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no YAML"
        raise InputError(f"launcher.accelerate_config={place}: it cannot be read ({reason})") from error
    problem = _problem(content, settings) if isinstance(content, dict) else "it is no mapping of keys to values"
    if problem:
        raise InputError(f"launcher.accelerate_config={place}: {problem}")
    shards = content.get("fsdp_config") or {}
    named = str(shards.get("fsdp_transformer_layer_cls_to_wrap") or "")
    layers = tuple(name.strip() for name in named.split(",") if name.strip())
    sharding = Sharding(layers, shards.get("fsdp_reshard_after_forward", True)) if shards else None
    return AccelerateConfig(sharding, bool(content.get("use_cpu")))


def accelerate_problem(settings: Settings) -> str | None:
    """What is wrong with the file, or with the settings beside it; for the checks of a study."""
    try:
        accelerate_config(settings)
    except InputError as error:
        return str(error)
    return None


def _problem(content: Mapping[str, Any], settings: Settings) -> str | None:
    for key, value in content.items():
        if key not in _MEANT and key not in _LEFT_TO_LAUNCHERS:
            return f"{key} means nothing here; known are {listed(sorted({*_MEANT, *_LEFT_TO_LAUNCHERS}))}"
        if key in _LEFT_TO_LAUNCHERS and value not in _LEFT_TO_LAUNCHERS[key]:
            return f"{key}: {written(value)} is the launcher's affair; remove it, and see conf/launcher"
        if key in _SECTIONS and not isinstance(value, (Mapping, type(None))):
            return f"{key}: {written(value)} is no mapping of keys to values"
    processes, precision = settings.launcher.processes, settings.model.precision
    if content.get("num_processes", processes) != processes:
        return f"num_processes: {content['num_processes']}, but launcher.processes={processes}; set both alike"
    asked = content.get("mixed_precision") or "no"
    if asked not in PRECISIONS:
        return f"mixed_precision: {asked} is not possible; choose {listed(list(PRECISIONS))}"
    if "mixed_precision" in content and PRECISIONS[asked] != precision:
        return (
            f"mixed_precision: {asked}, but model.precision={precision}; results depend on it, so that it is a "
            f"setting: set model.precision={PRECISIONS[asked]}"
        )
    return _dynamo_problem(content.get("dynamo_config") or {}, settings) or _fsdp_problem(content, settings)


def _dynamo_problem(dynamo: Mapping[str, Any], settings: Settings) -> str | None:
    backend = str(dynamo.get("dynamo_backend", "NO")).upper()
    if len(dynamo) > ("dynamo_backend" in dynamo) or backend not in ("NO", "INDUCTOR"):
        return "dynamo_config: only dynamo_backend is possible, NO or INDUCTOR"
    if (backend == "INDUCTOR") != settings.train.compile:
        compiled = str(settings.train.compile).lower()
        return f"dynamo_backend: {backend}, but train.compile={compiled}; set both alike" if dynamo else None
    return None


def _fsdp_problem(content: Mapping[str, Any], settings: Settings) -> str | None:
    kind, shards = content.get("distributed_type", "NO"), content.get("fsdp_config") or {}
    if kind in PLAIN:
        return "fsdp_config is given, but distributed_type is not FSDP" if shards else None
    if kind != "FSDP":
        return f"distributed_type: {kind} is not possible; choose {listed([*PLAIN, 'FSDP'])}"
    if shards.get("fsdp_version", 1) != 2:
        return "fsdp_config: set fsdp_version: 2, and run `accelerate to-fsdp2` on a file for version 1"
    for key, value in shards.items():
        if key == "fsdp_transformer_layer_cls_to_wrap":
            continue
        if key not in _FSDP:
            return f"fsdp_config: {key} means nothing here; known are {listed(sorted(_FSDP))}"
        if value not in _FSDP[key]:
            return f"fsdp_config: {key}: {written(value)} is not possible; choose {listed(map(written, _FSDP[key]))}"
    if shards.get("fsdp_activation_checkpointing", settings.train.recompute_activations) != (
        settings.train.recompute_activations
    ):
        return "fsdp_activation_checkpointing and train.recompute_activations must be set alike"
    if settings.launcher.processes == 1:
        return "distributed_type: FSDP needs several ranks: set launcher.processes"
    for name, wanted in (("model.lora", settings.model.lora is not None), ("train.compile", settings.train.compile)):
        if wanted:
            return f"distributed_type: FSDP is not possible together with {name}"
    return None
