"""Where the config tree lies, and what can be chosen in it."""

from pathlib import Path


def config_folder() -> Path:
    """The folder of the config tree: inside an installed package, or `conf/` at the top of a checkout."""
    inside = Path(__file__).parents[1] / "conf"
    return inside if inside.is_dir() else Path(__file__).parents[3] / "conf"


def group_options(config_dir: str | None = None) -> dict[str, list[str]]:
    """Config groups and the names that can be chosen in each, from our tree and the user's folder."""
    options: dict[str, set[str]] = {}
    for folder in (config_folder(), *([Path(config_dir)] if config_dir else [])):
        for file in sorted(folder.glob("*/*.yaml")):
            if not file.stem.startswith("_"):  # a base that others are short differences from
                options.setdefault(file.parent.name, set()).add(file.stem)
    return {group: sorted(names) for group, names in sorted(options.items())}
