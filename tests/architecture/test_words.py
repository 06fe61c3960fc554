"""The words of the project: names that say what a thing is, and plain, idiomatic English for people."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
MODULES = sorted((PROJECT / "src").rglob("*.py"))
TEXTS = [
    *MODULES,
    PROJECT / "README.md",
    *sorted((PROJECT / "docs").glob("*.md")),
    *(PROJECT / "conf").rglob("*.yaml"),
]

# Participles that say that something was done and not what it is.
VAGUE = {"found", "told", "said"}
# A word that a native reader stumbles over, and the one that the field uses.
BETTER = {
    r"\bmend(s|ed|ing)?\b": "fix",
    r"\bbettered\b": "dominated",
    r"\bby chance\b": "at random",
}
BROKEN_PROMISES = r"\bMETRICS(\.md|,? section|, \")"  # a document that is not part of the project: docs/metrics.md is


def names(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Every name that the module gives to something."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.id
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            yield node.lineno, node.name


@pytest.mark.parametrize("module", MODULES, ids=lambda module: str(module.relative_to(PROJECT / "src")))
def test_names_say_what_a_thing_is(module: Path) -> None:
    vague = [
        f"line {line}: {name}" for line, name in names(ast.parse(module.read_text())) if VAGUE & set(name.split("_"))
    ]
    assert not vague


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: str(text.relative_to(PROJECT)))
def test_words_are_those_of_the_field(text: Path) -> None:
    for number, line in enumerate(text.read_text().splitlines(), 1):
        for pattern, better in BETTER.items():
            assert not re.search(pattern, line, re.IGNORECASE), f"line {number}: write '{better}': {line.strip()}"
        assert not re.search(BROKEN_PROMISES, line), f"line {number}: {line.strip()}"


def test_what_is_public_is_described() -> None:
    """Every public module, class and function has a docstring; small overrides take their base's."""
    lacking = []
    for module in MODULES:
        tree = ast.parse(module.read_text())
        if not ast.get_docstring(tree):
            lacking.append(str(module.relative_to(PROJECT)))
        for node in tree.body:
            public = isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_")
            if public and not ast.get_docstring(node):
                lacking.append(f"{module.relative_to(PROJECT)}:{node.lineno} {node.name}")
    assert not lacking
