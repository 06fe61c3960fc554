"""Which package the module `faiss` comes from. Several provide it, and two of them overwrite each other's files."""

from importlib.metadata import PackageNotFoundError, distribution

from sweep.errors import InputError

CPU = "faiss-cpu"
PACKAGES = (CPU, "faiss-gpu-cuvs", "faiss-gpu", "faiss-gpu-cu13", "faiss-gpu-cu12", "faiss-gpu-cu11")


def faiss_packages() -> list[str]:
    """Those that are installed."""
    return [name for name in PACKAGES if _is_installed(name)]


def check_one_faiss() -> None:
    """Raises InputError if several are installed, with the commands that keep one. pip sees no conflict in them."""
    there = faiss_packages()
    if len(there) > 1:
        kept = next(name for name in there if name != CPU)
        raise InputError(
            f"{' and '.join(there)} are installed, and overwrite each other's files. Keep one: "
            f"pip uninstall --yes {' '.join(there)}; pip install --no-deps {kept} (or {CPU}, without a GPU)"
        )


def _is_installed(name: str) -> bool:
    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True
