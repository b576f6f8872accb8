"""`lyra-hf tasks`, as it is read on a terminal."""

import pytest
import yaml

from lyra_hf import UserError
from lyra_hf.cli.listing import show_task, show_tasks
from lyra_hf.tasks.recipe import load_recipe, recipe_names


@pytest.fixture
def shown(capsys):
    def show(*arguments):
        show_tasks(*arguments)
        return capsys.readouterr().out

    return show


def test_every_task_once_under_its_area(shown):
    area = None
    found = {}
    for line in shown().splitlines():
        if line and not line.startswith(" "):
            area = line.split()[0]
        elif line:
            name, *cells = line.split()
            assert name not in found
            assert load_recipe(name).area == area
            found[name] = cells
    assert sorted(found) == recipe_names()
    assert found["kim2019_spcas9"] == ["11,570", "1,241", "542", "spearman", "lyra-cas9"]  # none is comparable
    assert found["disprot_ion_binding"] == ["587", "147", "279", "auroc", "0.701"]


@pytest.mark.parametrize("area", [None, *sorted({load_recipe(name).area for name in recipe_names()})])
def test_a_hundred_columns_are_enough(shown, area):
    lines = shown(area).splitlines()
    assert max(map(len, lines)) <= 100
    assert not any(line.endswith(" ") for line in lines)


def test_an_area_with_what_is_predicted(shown):
    text = shown("cas9")
    assert "    SpCas9 indel frequency of a target site, in percent\n" in text
    assert "chezod" not in text
    assert "in 5 folds" in shown("fitness")


def test_no_such_area(shown):
    with pytest.raises(UserError, match=r"no area 'cas'; there are antibody, .*cas9"):
        shown("cas")


def test_a_task_with_its_sources(capsys):
    show_task("wang2019_variants")
    content = yaml.safe_load(capsys.readouterr().out)
    assert content["name"] == "wang2019_variants"
    assert [source["table"] for source in content["sources"]] == content["tables"]
    assert all(source["terms"] for source in content["sources"])
