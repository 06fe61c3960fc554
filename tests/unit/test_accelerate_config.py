"""A file of `accelerate config`: what agrees with the settings, what is left to launchers, and what is refused."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from accelerate.commands.config import config_args

from sweep.errors import InputError
from sweep.settings.accelerate_config import AccelerateConfig, Sharding, accelerate_config
from sweep.settings.compose import Composer
from sweep.settings.load import load_settings

# As accelerate 1.15 asks its questions and writes the answers, for two CPUs, or two GPUs with FSDP2.
PLAIN: dict[str, Any] = {
    "compute_environment": "LOCAL_MACHINE", "debug": False, "distributed_type": "MULTI_CPU", "downcast_bf16": "no",
    "enable_cpu_affinity": False, "machine_rank": 0, "main_training_function": "main", "mixed_precision": "no",
    "num_machines": 1, "num_processes": 2, "rdzv_backend": "static", "same_network": True, "tpu_env": [],
    "tpu_use_cluster": False, "tpu_use_sudo": False, "use_cpu": True,
}  # fmt: skip
SHARDS: dict[str, Any] = {
    "fsdp_activation_checkpointing": False, "fsdp_auto_wrap_policy": "TRANSFORMER_BASED_WRAP",
    "fsdp_cpu_ram_efficient_loading": False, "fsdp_offload_params": False, "fsdp_reshard_after_forward": True,
    "fsdp_state_dict_type": "FULL_STATE_DICT", "fsdp_transformer_layer_cls_to_wrap": "BertLayer", "fsdp_version": 2,
}  # fmt: skip
FSDP = {**PLAIN, "distributed_type": "FSDP", "use_cpu": False, "fsdp_config": SHARDS}


def read(folder: Path, content: dict[str, Any], *overrides: str) -> AccelerateConfig:
    file = folder / "accelerate.yaml"
    file.write_text(yaml.safe_dump(content))
    config_args.load_config_from_file(str(file))  # accelerate takes it, too
    composer = Composer("sweep", ["launcher.processes=2", f"launcher.accelerate_config={file}", *overrides])
    return accelerate_config(load_settings(composer))


def test_without_a_file_nothing_is_asked_for() -> None:
    assert accelerate_config(load_settings(Composer("sweep", []))) == AccelerateConfig()


def test_what_agrees_is_read(tmp_path: Path) -> None:
    assert read(tmp_path, PLAIN) == AccelerateConfig(use_cpu=True)
    assert read(tmp_path, PLAIN | {"mixed_precision": "bf16"}, "model.precision=bf16") == AccelerateConfig(None, True)
    assert read(tmp_path, FSDP) == AccelerateConfig(Sharding(("BertLayer",), True))
    shards = {"fsdp_version": 2, "fsdp_reshard_after_forward": False}
    assert read(tmp_path, FSDP | {"fsdp_config": shards}) == AccelerateConfig(Sharding((), False))
    compiled = PLAIN | {"dynamo_config": {"dynamo_backend": "INDUCTOR"}}
    assert read(tmp_path, compiled, "train.compile=true") == AccelerateConfig(use_cpu=True)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"num_processes": 8}, "num_processes: 8, but launcher.processes=2; set both alike"),
        (
            {"mixed_precision": "bf16"},
            "mixed_precision: bf16, but model.precision=float32; .* set model.precision=bf16",
        ),
        ({"mixed_precision": "fp16"}, "mixed_precision: fp16 is not possible; choose no, bf16"),
        ({"num_machines": 2}, "num_machines: 2 is the launcher's affair; remove it"),
        ({"main_process_ip": "10.0.0.1"}, "main_process_ip: '10.0.0.1' is the launcher's affair"),
        ({"gpu_ids": "0,1"}, "gpu_ids: '0,1' is the launcher's affair"),
        ({"distributed_type": "DEEPSPEED"}, "distributed_type: DEEPSPEED is not possible; choose NO, .*FSDP"),
        ({"deepspeed_config": {"zero_stage": 3}}, "deepspeed_config: {zero_stage: 3} is the launcher's affair"),
        ({"dynamo_config": {"dynamo_backend": "INDUCTOR"}}, "dynamo_backend: INDUCTOR, but train.compile=false"),
        (
            {"dynamo_config": {"dynamo_backend": "NO", "dynamo_mode": "max-autotune"}},
            "only dynamo_backend is possible",
        ),
        ({"fsdp_config": SHARDS}, "fsdp_config is given, but distributed_type is not FSDP"),
    ],
)
def test_what_does_not_agree_is_refused(tmp_path: Path, change: dict[str, Any], reason: str) -> None:
    with pytest.raises(InputError, match=f"accelerate.yaml: .*{reason}"):
        read(tmp_path, PLAIN | change)


@pytest.mark.parametrize(
    ("change", "overrides", "reason"),
    [
        ({"fsdp_version": 1}, (), "set fsdp_version: 2, and run `accelerate to-fsdp2`"),
        ({"fsdp_offload_params": True}, (), "fsdp_offload_params: true is not possible; choose false"),
        ({"fsdp_cpu_ram_efficient_loading": True}, (), "fsdp_cpu_ram_efficient_loading: true is not possible"),
        (
            {"fsdp_sharding_strategy": "FULL_SHARD"},
            (),
            "fsdp_sharding_strategy means nothing here; known are fsdp_ac",
        ),
        ({"fsdp_state_dict_type": "SHARDED_STATE_DICT"}, (), "choose 'FULL_STATE_DICT'"),
        ({"fsdp_activation_checkpointing": True}, (), "train.recompute_activations must be set alike"),
        ({}, ("train.compile=true",), "FSDP is not possible together with train.compile"),
    ],
)
def test_of_fsdp_what_is_not_possible_is_refused(
    tmp_path: Path, change: dict[str, Any], overrides: tuple[str, ...], reason: str
) -> None:
    with pytest.raises(InputError, match=reason):
        read(tmp_path, FSDP | {"fsdp_config": SHARDS | change}, *overrides)


@pytest.mark.parametrize("section", ["fsdp_config", "dynamo_config"])
def test_a_section_that_is_no_mapping_is_refused(tmp_path: Path, section: str) -> None:
    file = tmp_path / "odd.yaml"
    file.write_text(yaml.safe_dump({section: ["fsdp_version"]}))
    with pytest.raises(InputError, match=rf"odd\.yaml: {section}: .* is no mapping of keys to values"):
        load_settings(Composer("sweep", [f"launcher.accelerate_config={file}"]))


def test_one_rank_has_nothing_to_share(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"FSDP needs several ranks: set launcher\.processes"):
        read(tmp_path, FSDP | {"num_processes": 1}, "launcher.processes=1")


def test_an_unknown_key_is_named(tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    file.write_text("distributed_type: NO\nnum_proceses: 2\n")
    with pytest.raises(InputError, match=r"own.yaml: num_proceses means nothing here; known are commands"):
        load_settings(Composer("sweep", [f"launcher.accelerate_config={file}"]))


@pytest.mark.parametrize(("content", "reason"), [(None, "No such file"), ("a: [", "no YAML"), ("- 1", "no mapping")])
def test_a_file_that_is_none_is_refused(tmp_path: Path, content: str | None, reason: str) -> None:
    file = tmp_path / "none.yaml"
    if content is not None:
        file.write_text(content)
    with pytest.raises(InputError, match=f"launcher.accelerate_config={file}: .*{reason}"):
        load_settings(Composer("sweep", [f"launcher.accelerate_config={file}"]))
