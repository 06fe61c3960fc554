"""The house as docs/architecture.md draws it: imports run downwards, nothing lies loose, everything fits a screen."""

import ast
import statistics
from collections.abc import Iterator
from itertools import chain, pairwise
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "sweep"
MODULES = sorted(SOURCE.rglob("*.py"))

# From top to bottom: a room imports itself, and rooms that stand below it.
ROOMS = (
    "commands",
    "run",
    "trial",
    "page",
    "report",
    "tracking",
    "answer",
    "study",
    "launch",
    "training",
    "mining",
    "evaluation",
    "model",
    "data",
    "statistics",
    "records",
    "settings",
    "errors",
)
FACE = {"__init__", "errors"}  # what other programs import
ENTRIES = {"__main__", "evaluate", "compare", "studies", "mine"}  # what `python -m` runs
INNER_ENTRIES = {Path("data/__main__.py"), Path("report/__main__.py")}  # of commands that are named like a room
# Modules that may use private members of other libraries; each says which, and why there is no other way.
PUBLIC_ALL_THE_SAME = {"_exit", "_asdict", "_replace"}  # of os, and of named tuples
REACH_INS = {"study/internals.py", "launch/slurm_script.py", "launch/ray_internals.py"}


def room_of(module: Path) -> str:
    """The room of a file: its folder, or its own name at the top. What `python -m` runs of a folder is an entry, as
    those at the top are, and in no room."""
    if module.relative_to(SOURCE) in INNER_ENTRIES:
        return "entries"
    parts = module.relative_to(SOURCE).parts
    return parts[0] if len(parts) > 1 else module.stem


def imported(module: Path) -> Iterator[tuple[int, str]]:
    """Line and full name of every import of ours, inside functions and for type checking too."""
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}:{node.lineno}: a relative import"
            if node.module == "sweep":
                yield from ((node.lineno, f"sweep.{alias.name}") for alias in node.names)
            elif node.module and node.module.startswith("sweep."):
                yield node.lineno, node.module
        elif isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names if alias.name.startswith("sweep."))


def rooms_imported(module: Path) -> set[str]:
    return {name.split(".")[1] for _, name in imported(module)}


def test_every_module_is_in_a_room() -> None:
    loose = {module.stem for module in SOURCE.glob("*.py")}
    assert loose == FACE | ENTRIES
    folders = {folder.name for folder in SOURCE.iterdir() if any(folder.glob("*.py"))}
    assert folders == set(ROOMS) - FACE


def test_entries_are_thin() -> None:
    for file in (*(SOURCE / f"{name}.py" for name in ENTRIES), *(SOURCE / entry for entry in INNER_ENTRIES)):
        assert len(file.read_text().splitlines()) <= 12, file
        assert rooms_imported(file) == {"commands"}, file


@pytest.mark.parametrize("room", [room for room in ROOMS if room != "errors"])
def test_imports_run_downwards(room: str) -> None:
    allowed = {*ROOMS[ROOMS.index(room) :], "__version__"}
    for module in MODULES:
        if room_of(module) == room:
            upwards = [f"line {line}: {name}" for line, name in imported(module) if name.split(".")[1] not in allowed]
            assert not upwards, f"{module.relative_to(SOURCE)} imports upwards: {upwards}"


def test_no_circles_within_a_room() -> None:
    """Not at import time, and not deferred into functions either."""
    names = {".".join(["sweep", *module.relative_to(SOURCE).with_suffix("").parts]): module for module in MODULES}
    graph = {name: {other for _, other in imported(module) if other in names} for name, module in names.items()}
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, f"a circle: {' -> '.join([*path[path.index(name) :], name])}"
        if name not in done:
            for other in graph[name]:
                visit(other, (*path, name))
            done.add(name)

    for name in graph:
        visit(name, ())


def test_neighbours_differ_by_more_than_a_suffix() -> None:
    for folder in {module.parent for module in MODULES}:
        stems = sorted(module.stem for module in folder.glob("*.py") if module.stem != "__init__")
        for one, other in pairwise(stems):
            assert not other.startswith(one), f"{folder.name}: {one}.py beside {other}.py"


def test_files_and_functions_fit_a_screen() -> None:
    sizes = {module: len(module.read_text().splitlines()) for module in MODULES if module.stem != "__init__"}
    assert statistics.median(sizes.values()) <= 100
    long_files = {str(module.relative_to(SOURCE)): size for module, size in sizes.items() if size > 250}
    assert not long_files
    for module in MODULES:
        for node in ast.walk(ast.parse(module.read_text())):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                size = (node.end_lineno or node.lineno) - node.lineno + 1
                assert size <= 50, f"{module.relative_to(SOURCE)}:{node.lineno} {node.name} has {size} lines"


def private_uses(module: Path) -> Iterator[str]:
    """Private members of things that are not ours: `x._name` on anything but self and cls, and private modules."""
    tree = ast.parse(module.read_text())
    own = {
        name
        for node in ast.walk(tree)
        for name in (
            [node.name]
            if isinstance(node, (ast.FunctionDef, ast.ClassDef))
            else [node.attr]
            if isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id in ("self", "cls")
            else [node.target.id]
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
            else []
        )
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.startswith("__"):
            if node.attr not in own and node.attr not in PUBLIC_ALL_THE_SAME:
                yield f"line {node.lineno}: {node.attr}"
        elif isinstance(node, ast.ImportFrom) and node.module and not node.module.startswith("sweep"):
            private = [part for part in (*node.module.split("."), *(alias.name for alias in node.names))]
            if any(part.startswith("_") and not part.startswith("__") for part in private):
                yield f"line {node.lineno}: from {node.module}"


def test_private_members_of_libraries_are_reached_into_where_it_says_why() -> None:
    users = {str(module.relative_to(SOURCE)): uses for module in MODULES if (uses := list(private_uses(module)))}
    assert not {name: uses for name, uses in users.items() if name not in REACH_INS}
    for name in users:
        assert "private" in (ast.get_docstring(ast.parse((SOURCE / name).read_text())) or ""), name


def test_no_room_of_leftovers() -> None:
    names = {part for module in MODULES for part in module.relative_to(SOURCE).with_suffix("").parts}
    assert not names & set(chain(("utils", "util", "helpers", "common", "misc", "tools")))


def test_no_two_test_files_have_one_name() -> None:
    """pytest imports those of folders that are no packages by their names alone, and refuses the second one."""
    tests = Path(__file__).parents[1]
    names = [file.name for file in tests.glob("*/test_*.py") if not (file.parent / "__init__.py").exists()]
    assert not [name for name in set(names) if names.count(name) > 1]
