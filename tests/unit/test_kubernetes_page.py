"""docs/kubernetes.yaml is what a cluster takes, and what its pods run is what the program takes."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes_validate import ValidationError, latest_version, validate

from sweep.settings.compose import Composer
from sweep.settings.joined import joined_overrides, joins, machine_settings, of_study
from sweep.settings.load import load_settings

FILE = Path(__file__).parents[2] / "docs" / "kubernetes.yaml"
RESOURCES: dict[str, dict[str, Any]] = {
    f"{one['kind']}/{one['metadata']['name']}": one for one in yaml.safe_load_all(FILE.read_text(encoding="utf-8"))
}
OWNER, HELPERS = "Job/sweep-owner", "Job/sweep-join"


def pod(job: str) -> dict[str, Any]:
    spec: dict[str, Any] = RESOURCES[job]["spec"]["template"]["spec"]
    return spec


def overrides(job: str) -> list[str]:
    """What a pod gives the program, less its options."""
    container = pod(job)["containers"][0]
    assert container["command"] == ["python", "-m", "sweep"]
    assert container["args"][-1] == "--progress=plain"
    words: list[str] = container["args"][:-1]
    return words


@pytest.mark.parametrize("name", RESOURCES)
def test_each_resource_is_one_that_a_cluster_takes(name: str) -> None:
    validate(RESOURCES[name], latest_version(), strict=True)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("spec", "backoffLimits"), 3),
        (("spec", "template", "spec", "terminationGracePeriodSeconds"), "5 minutes"),
        (("spec", "template", "spec", "containers", 0, "resources", "memory"), "4Gi"),
        (("spec", "podFailurePolicy", "rules", 0, "onExitCodes", "value"), [2]),
    ],
)
def test_a_resource_with_a_mistake_is_refused(path: tuple[str | int, ...], value: object) -> None:
    broken: Any = deepcopy(RESOURCES[OWNER])
    place = broken
    for part in path[:-1]:
        place = place[part]
    place[path[-1]] = value
    with pytest.raises(ValidationError):
        validate(broken, latest_version(), strict=True)


def test_the_pods_run_one_study(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWEEP_STORAGE", "postgresql+psycopg://host/database")
    owner = load_settings(Composer("sweep", overrides(OWNER)))
    assert owner.launcher.workers == 0
    helper = Composer("sweep", overrides(HELPERS))
    assert joins(helper.overrides)
    machine = machine_settings(helper)
    assert (machine.study.name, machine.study.storage) == (owner.study.name, owner.study.storage)
    joined = load_settings(Composer("sweep", joined_overrides(of_study(overrides(OWNER)), helper.overrides)))
    assert joined.study == owner.study
    assert joined.launcher.slots == 1


@pytest.mark.parametrize("job", [OWNER, HELPERS])
def test_what_a_pod_mounts_and_refers_to_is_there(job: str) -> None:
    spec = pod(job)
    container = spec["containers"][0]
    volumes = {volume["name"]: volume for volume in spec["volumes"]}
    mounted = {mount["mountPath"]: volumes[mount["name"]] for mount in container["volumeMounts"]}
    environment = {one["name"]: one["value"] for one in container["env"]}
    assert environment["SWEEP_CACHE"] in mounted
    assert f"paths.sweeps={next(path for path in mounted if path == '/sweeps')}" in container["args"]
    (source,) = container["envFrom"]
    secret = RESOURCES[f"Secret/{source['secretRef']['name']}"]["stringData"]
    assert {f"study.storage=${{oc.env:{name}}}" for name in secret} & set(container["args"])
    for volume in volumes.values():
        claim = volume.get("persistentVolumeClaim")
        assert claim is None or f"PersistentVolumeClaim/{claim['claimName']}" in RESOURCES
    rules = RESOURCES[job]["spec"]["podFailurePolicy"]["rules"]
    assert rules[0]["onExitCodes"]["containerName"] == container["name"]
