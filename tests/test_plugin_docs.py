"""What plugin authors read: a reference that is up to date, and examples that work."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from spivae.conformance import checks_of_plugin, find
from spivae.plugins import load_plugins
from spivae.training import recipe as recipes
from spivae.training.cost import estimate

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "docs"))

import reference  # noqa: E402  (found on the path above)

README = reference.README.read_text("utf-8")


def test_the_reference_is_up_to_date() -> None:
    written = README.split(reference.BEGIN)[1]
    assert reference.BEGIN + written == reference.reference(), "run `make reference`"


@pytest.mark.parametrize("hook", reference.hooks())
def test_every_hook_has_a_doc_an_example_and_a_test(hook: str) -> None:
    assert reference.hooks()[hook].__doc__
    assert f"### `{hook}(" in README
    assert reference.users(hook), f"no bundled plugin implements {hook}, nor does the example package"
    tests = [path for path in (ROOT / "tests").rglob("test_*.py") if path != Path(__file__)]
    assert any(re.search(rf"\b{hook}\b", path.read_text("utf-8")) for path in tests), f"no test names {hook}"


def test_a_hook_without_an_example_would_be_found() -> None:
    assert reference.users("register_panels") == []


def test_the_first_example_conforms(tmp_path: Path) -> None:
    example = re.search(r"```python\n(.*?)```", README, re.DOTALL)
    assert example is not None
    file = tmp_path / "brownian.py"
    file.write_text(example[1])
    assert len(example[1].splitlines()) < 40
    plugins = load_plugins([file])
    found = [find(check) for check in checks_of_plugin("brownian", plugins, [str(file)])]
    assert [finding for finding in found if finding.status in ("failed", "advice")] == []


def test_the_first_recipe_trains_the_first_example(tmp_path: Path) -> None:
    example, recipe = (re.search(rf"```{kind}\n(.*?)```", README, re.DOTALL) for kind in ("python", "toml"))
    assert example is not None
    assert recipe is not None
    (tmp_path / "brownian.py").write_text(example[1])
    (tmp_path / "brownian.toml").write_text(recipe[1])
    process = load_plugins([tmp_path / "brownian.py"]).process("brownian")
    read = recipes.load(tmp_path / "brownian.toml")
    assert read.process.name == process.name
    assert estimate(read, process, threads=1, seconds=0.1).steps_per_epoch > 20


def test_every_link_leads_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (reference.README.parent / target).exists(), target


def test_commands_that_are_named_exist() -> None:
    from spivae.cli.plugin import COMMANDS as OF_PLUGINS
    from spivae.cli.root import COMMANDS

    for command, rest in re.findall(r"`?spivae ([a-z-]+)(?: ([a-z]+))?", README.split(reference.BEGIN)[0]):
        if command == "plugin":
            assert rest in OF_PLUGINS, rest
        elif command not in ("or", "process"):
            assert command in COMMANDS or command in ("plugins",), command
