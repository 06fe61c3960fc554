"""Writes docs/configuration.md from the config tree: every group, what can be chosen in it, and every key.

python scripts/configuration_page.py            prints the page
python scripts/configuration_page.py --write    replaces docs/configuration.md

What a key does is the comment behind it in `conf/`; the page has nothing that the tree does not have.
"""

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sweep.settings.tree import config_folder, group_options

PAGE = Path(__file__).parents[1] / "docs" / "configuration.md"
HEAD = """# Configuration reference

Made from `conf/` by `scripts/configuration_page.py`; a test keeps it up to date. Every key can be set on the command
line (`train.steps=500`), every group by the name of a file in it (`model=xlmr`), and `--config-dir DIR` adds groups
of your own. `python -m sweep --cfg job` prints what an experiment comes to.
"""
PURPOSES = {
    "experiment": "`+experiment=NAME`: a whole study, whose keys can be overridden one by one.",
    "corpus": "Published data sets: where they are and how they are cited. Chosen by `data` and `evaluation`.",
    "data": "What is trained on. [Your own data](data.md)",
    "evaluation": "What is evaluated on. [Evaluation](evaluation.md)",
    "languages": "Languages trained on and evaluated on, and their tiers.",
    "launcher": "How workers are started. [Workers](workers.md)",
    "loss": "What training makes small. [Objectives](objectives.md)",
    "model": "The encoder. [Training](training.md)",
    "paths": "Folders.",
    "ratio": "The mix of batches. [Concepts](concepts.md)",
    "report": "What a report has in it.",
    "study": "The search space, seeds, objectives. [Studies](studies.md)",
    "tracking": "Where trials are logged besides the study's folder.",
    "train": "The training of a trial. [Training](training.md)",
}
KEY = re.compile(r"^(?P<indent> *)(?P<key>[\w@/.-]+): *(?P<value>[^#]*?)(?: +# *(?P<comment>.*))?$")
ONLY_COMMENT = re.compile(r"^ +# *(?P<comment>.*)$")


@dataclass
class Key:
    """A line of a config file: its path within the group, the value, and the comment behind it."""

    path: str
    value: str
    comment: str


def head_comment(file: Path) -> str:
    """The comment that a file begins with, as a sentence or several."""
    lines: list[str] = []
    for line in file.read_text(encoding="utf-8").splitlines():
        if line.startswith("# @package") or (not line.strip() and not lines):
            continue
        if not line.startswith("#"):
            break
        lines.append(line.removeprefix("#").strip())
    return " ".join(lines)


def keys_of(file: Path) -> Iterator[Key]:
    """The keys of a file with their comments; `defaults` and what stands in lists is Hydra's, or too much."""
    parents: list[tuple[int, str]] = []
    current: Key | None = None
    for line in file.read_text(encoding="utf-8").splitlines():
        if current is not None and (more := ONLY_COMMENT.match(line)):
            current.comment = f"{current.comment} {more['comment']}".strip()
            continue
        match = KEY.match(line)
        if match is None:
            continue
        indent = len(match["indent"])
        parents = [parent for parent in parents if parent[0] < indent]
        if current is not None and parents and current.path == ".".join(name for _, name in parents):
            current.value = ""  # a mapping, whose keys follow
        if current is not None:
            yield current
        parents.append((indent, match["key"]))
        current = Key(".".join(name for _, name in parents), match["value"].strip(), match["comment"] or "")
    if current is not None:
        yield current


def cell(text: str) -> str:
    """Text in a cell of a table."""
    return text.replace("|", "\\|").replace("\n", " ")


def section(group: str, names: list[str]) -> Iterator[str]:
    """Heading, choices and keys of a group."""
    folder = config_folder() / group
    yield f"\n## {group}\n"
    yield PURPOSES[group]
    yield "\n| choice | |\n|---|---|"
    for name in names:
        yield f"| `{name}` | {cell(head_comment(folder / f'{name}.yaml'))} |"
    if group in ("experiment", "corpus"):
        return
    base = folder / "_base.yaml"
    rows: dict[str, tuple[Key, list[str]]] = {}
    for file in (*([base] if base.is_file() else []), *(folder / f"{name}.yaml" for name in names)):
        for key in keys_of(file):
            if key.path.split(".")[0] in ("defaults", "_self_") or key.path.startswith("/"):
                continue
            known = rows.setdefault(key.path, (key, []))
            known[0].comment = known[0].comment or key.comment
            known[1].append(f"{key.value or '…'}" if file == base else f"{key.value or '…'} ({file.stem})")
    yield "\n| key | value | |\n|---|---|---|"
    for path, (key, values) in rows.items():
        distinct = {value.rsplit(" (", 1)[0] for value in values}
        shown = key.value if len(distinct) == 1 else "differs by choice"
        value = f"`{cell(shown)}`" if shown and len(distinct) == 1 else shown
        yield f"| `{group}.{path}` | {value} | {cell(key.comment)} |"


def page() -> str:
    """The whole page."""
    lines = [HEAD.rstrip()]
    for group, names in group_options().items():
        lines += section(group, names)
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    if "--write" in sys.argv[1:]:
        PAGE.write_text(page(), encoding="utf-8")
    else:
        print(page(), end="")
