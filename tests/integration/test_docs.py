"""Every command of the README and of docs/, run in one folder as a reader would; docs/data.md has its own test."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from tests.integration.test_data_docs import SENTENCES, squad
from tests.postgres import running_server, why_not
from tests.unit.test_model import of_family
from tests.unit.test_squad import write

pytestmark = pytest.mark.slow

PROJECT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PAIRS = """group,language,query,passage
well,en,How deep is the well?,The well is deep.
well,sw,Kisima kina kina gani?,Kisima ni kirefu.
fire,en,Who put out the fire?,The fire was put out.
fire,sw,Nani alizima moto?,Moto ulizimwa.
roof,en,What is the roof made of?,The roof is made of reed.
roof,sw,Paa limetengenezwa na nini?,Paa limetengenezwa kwa mwanzi.
"""
# Trainings are short and benchmarks small here; everything else is as the pages have it.
SHORT = ("train.steps=2", "train.warmup_steps=1", "train.batch_size=2")
SHIM = f"""#!{sys.executable}
import os, sys
given = sys.argv[1:]
words = " ".join(given)
if given[:2] == ["-m", "sweep"] and not {{"--cfg", "--help"}} & set(given):
    given += {list(SHORT)!r}
    if "data=" not in words and "data.path" not in words:
        given += ["data.records={{high: 60, mid: 30, low: 20}}"]
    if "evaluation.path" not in words:
        given += ["evaluation.records=12"]
    if "study.points" in words or "ratio_search" in words:
        given += ["study.points=2"]
    if "study.seeds" not in words:
        given += ["study.seeds=[0]"]
os.execv({sys.executable!r}, [{sys.executable!r}, *given])
"""
# What starts a server for good, installs, or leaves the shell: tests/integration/test_makefile.py runs make.
ELSEWHERE = ("make ", "source ", "pre-commit ")
NOT_ZERO = {"python -m sweep.studies stop ratio_grid": 1}  # nothing runs that could be stopped
SCORED = "python -m sweep.evaluate model=hf model.path=encoder evaluation=cldr languages=cldr_6 evaluation.records=9"
PREPARED = {
    "README.md": [f"{SCORED} output=base.json", f"{SCORED} output=tuned.json"],
    "docs/index.md": ["python -m sweep +experiment=ratio_grid 'study.seeds=[0,1]'"],
    "docs/evaluation.md": [
        f"{SCORED} output=base.json",
        f"{SCORED} output=tuned.json",
        "python -m sweep data=rows data.path=pairs.csv 'languages.train=[en,sw]' 'languages.evaluate=[en,sw]' "
        "languages.tiers=null study.name=pairs 'study.seeds=[0,1]' "
        "'study.space={ratio.monolingual: {grid: [0.5, 1.0]}}'",
    ],
    "docs/workers.md": [],
    "docs/clusters.md": [],
    "docs/recipes.md": [],
    "docs/studies.md": [],
    "docs/objectives.md": [],
    "docs/tracking.md": [],
}


def commands_of(page: str) -> list[str]:
    """The commands of a page, each in one line, without what is elsewhere."""
    blocks = BLOCK.findall((PROJECT / page).read_text(encoding="utf-8"))
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    commands = [re.sub(r"\s+# .*$", "", " ".join(line.split())) for line in lines if line.strip()]
    return [one.replace(".venv/bin/python", "python") for one in commands if not one.startswith(ELSEWHERE)]


def needs_a_network(command: str) -> bool:
    """A model or a data set by its name alone, which is downloaded."""
    return "model=me5_small" in command and "model.path" not in command


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    """A folder with a reader's files."""
    folder = tmp_path_factory.mktemp("desk")
    (folder / "pairs.csv").write_text(PAIRS)
    for name, other in (("xquad-r", ""), ("mlqa-r", "again ")):  # a study never trains on what it evaluates on
        (folder / name).mkdir()
        write(folder / name, **{code: squad(code, other) for code in SENTENCES})
    of_family("xlmr", folder / "encoder", cache)
    (folder / "bin").mkdir()
    (folder / "bin/python").write_text(SHIM)
    (folder / "bin/python").chmod(0o755)
    return folder


@pytest.mark.parametrize("page", PREPARED)
def test_every_command_runs(page: str, desk: Path, cache: Path) -> None:
    environment = {
        **os.environ,
        "PATH": f"{desk / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "SWEEP_CACHE": str(cache),
        "HF_HUB_OFFLINE": "1",
    }
    commands = [*PREPARED[page], *commands_of(page)]
    assert commands
    if any("SWEEP_STORAGE" in one for one in commands):
        if reason := why_not():
            pytest.skip(reason)
        with running_server() as server:
            run(commands, desk, {**environment, "SWEEP_STORAGE": server.url()})
    else:
        run(commands, desk, environment)


def run(commands: list[str], desk: Path, environment: dict[str, str]) -> None:
    for command in commands:
        if command.startswith("export SWEEP_STORAGE="):
            continue  # to the server of the test
        if needs_a_network(command):
            command = f"{command} --cfg job"
        done = subprocess.run(
            shlex.split(command),
            cwd=desk,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == NOT_ZERO.get(command, 0), command + done.stdout + done.stderr


def test_every_page_with_commands_is_tested() -> None:
    pages = [page for page in (PROJECT / "docs").glob("*.md") if BLOCK.search(page.read_text(encoding="utf-8"))]
    tested = {*PREPARED, "docs/data.md", "docs/CONTRIBUTING.md"}  # the last: of this test run itself
    assert {str(page.relative_to(PROJECT)) for page in pages} <= tested


def test_the_configuration_reference_is_that_of_the_tree() -> None:
    done = subprocess.run(
        [sys.executable, PROJECT / "scripts/configuration_page.py"], capture_output=True, text=True, check=True
    )
    assert (PROJECT / "docs/configuration.md").read_text(encoding="utf-8") == done.stdout, (
        "run `python scripts/configuration_page.py --write`"
    )


def test_the_site_is_built_and_its_links_lead_somewhere(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "ratio" in (tmp_path / "site/concepts/index.html").read_text(encoding="utf-8")
