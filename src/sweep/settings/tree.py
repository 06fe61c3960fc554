"""Where the config tree lies, and what can be chosen in it."""

from filecmp import cmp
from pathlib import Path


def config_folder() -> Path:
    """The folder of the config tree: inside an installed package, or `conf/` at the top of a checkout."""
    inside = Path(__file__).parents[1] / "conf"
    return inside if inside.is_dir() else Path(__file__).parents[3] / "conf"


def hidden_files(config_dir: str) -> list[str]:
    """Files of the user's folder that ours of the same name hide, since Hydra takes the first that it finds."""
    ours, theirs = config_folder(), Path(config_dir)
    names = [str(file.relative_to(theirs)) for file in sorted(theirs.glob("*/*.yaml")) if file.is_file()]
    return [name for name in names if (ours / name).is_file() and not cmp(ours / name, theirs / name, shallow=False)]


def group_options(config_dir: str | None = None) -> dict[str, list[str]]:
    """Config groups and the names that can be chosen in each, from our tree and the user's folder."""
    options: dict[str, set[str]] = {}
    for folder in (config_folder(), *([Path(config_dir)] if config_dir else [])):
        for file in sorted(folder.glob("*/*.yaml")):
            if not file.stem.startswith("_"):  # a base that others are short differences from
                options.setdefault(file.parent.name, set()).add(file.stem)
    return {group: sorted(names) for group, names in sorted(options.items())}
