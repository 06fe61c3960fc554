"""What the GPUs of each worker do, where the package nvidia-ml-py (pynvml) and its driver are there."""

import importlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

MEGA = 1e6


class GpuReader:
    """Reads the GPUs of workers by their slots. `devices`: as CUDA_VISIBLE_DEVICES names those of each slot.

    A worker's GPUs are counted from 0, in its own order, as MLflow counts those that a process sees. Workers that
    share a GPU all show the whole of it.
    """

    def __init__(self, devices: Sequence[tuple[str, ...]]) -> None:
        self._devices = devices
        self._library = _library() if any(devices) else None

    @property
    def names(self) -> list[str]:
        """The columns of the worker with the most GPUs."""
        if self._library is None:
            return []
        most = max(map(len, self._devices))
        return [f"gpu_{place}_{figure}" for place in range(most) for figure in FIGURES]

    def read(self, slot: int) -> dict[str, float]:
        """The figures that can be read now."""
        values: dict[str, float] = {}
        if self._library is None:
            return values
        for place, device in enumerate(dict.fromkeys(self._devices[slot])):
            with suppress(self._library.NVMLError):
                handle = self._handle(device)
                for figure, read in FIGURES.items():
                    with suppress(self._library.NVMLError):  # not every device has every figure
                        values[f"gpu_{place}_{figure}"] = read(self._library, handle)
        return values

    def _handle(self, device: str) -> Any:
        nvml: Any = self._library
        return (
            nvml.nvmlDeviceGetHandleByIndex(int(device))
            if device.isdigit()
            else nvml.nvmlDeviceGetHandleByUUID(device)
        )


def _memory_percent(nvml: Any, handle: Any) -> float:
    memory = nvml.nvmlDeviceGetMemoryInfo(handle)
    return float(100 * memory.used / memory.total)


# By MLflow's names.
FIGURES: dict[str, Callable[[Any, Any], float]] = {
    "utilization_percentage": lambda nvml, handle: float(nvml.nvmlDeviceGetUtilizationRates(handle).gpu),
    "memory_usage_megabytes": lambda nvml, handle: nvml.nvmlDeviceGetMemoryInfo(handle).used / MEGA,
    "memory_usage_percentage": _memory_percent,
    "power_usage_watts": lambda nvml, handle: nvml.nvmlDeviceGetPowerUsage(handle) / 1000,
}


def _library() -> Any:
    """NVML, ready to be asked; None where it is not there."""
    try:
        library = importlib.import_module("pynvml")
        library.nvmlInit()
    except Exception:  # no package, no driver, or another one than it was made for
        return None
    return library
