"""Recipes are functions and TOML files; the functions' signatures check the files."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

from tlearn import recipes
from tlearn.errors import RecipeError
from tlearn.recipes import schedules


def test_the_default_recipe_freezes_and_then_unfreezes():
    head, unfrozen = recipes.freeze_then_unfreeze(num_examples=3000)
    assert (head.name, head.unfreeze) == ("head", 0.0)
    assert unfrozen.name == "unfreeze"
    assert 0 < unfrozen.unfreeze <= 1
    assert unfrozen.learning_rate < head.learning_rate


def test_with_few_photos_of_each_class_the_default_trains_the_head_alone():
    def names(num_examples, **given):
        recipe = recipes.freeze_then_unfreeze(num_examples, **given)
        return [stage.name for stage in recipe]

    assert names(42, num_classes=10) == ["head"]
    assert names(210, num_classes=10) == names(42, num_classes=4) == ["head", "unfreeze"]
    assert names(42) == ["head", "unfreeze"]  # the classes are not known


@pytest.mark.parametrize("asked", [{"epochs": 3}, {"learning_rate": 1e-4}, {"unfreeze": 0.2}])
def test_whoever_asks_for_the_unfreeze_gets_it_with_few_photos_too(asked):
    unfrozen = recipes.freeze_then_unfreeze(42, num_classes=10, **asked)[-1]
    assert unfrozen.unfreeze > 0
    assert asked.items() <= vars(unfrozen).items()


def test_a_saved_call_is_told_the_number_of_classes_where_its_function_counts_them():
    default = recipes.load("freeze_then_unfreeze")
    assert len(default.stages(42, num_classes=10)) == 1
    assert len(default.with_arguments({"num_classes": 2}).stages(42, num_classes=10)) == 2
    for recipe in recipes.saved():
        assert recipe.stages(42, num_classes=10)


def test_with_fewer_photos_in_a_step_the_unfreeze_is_slower_and_its_weights_are_averaged():
    stages = [recipes.freeze_then_unfreeze(size)[-1] for size in (100, 300, 1000)]
    assert [stage.learning_rate for stage in stages] == [5e-4, 7.1e-4, 1e-3]
    assert [stage.average for stage in stages] == [0.5, 0.5, 0.0]
    assert recipes.freeze_then_unfreeze(1000, average=0.25)[-1].average == 0.25


def test_gradual_unfreeze_opens_more_with_each_stage_at_a_lower_rate():
    stages = recipes.gradual_unfreeze(num_examples=3000, steps=3)
    assert [stage.name for stage in stages] == ["head", "unfreeze-1", "unfreeze-2", "unfreeze-3"]
    shares = [stage.unfreeze for stage in stages]
    assert shares == sorted(set(shares))
    assert shares[-1] == 1.0
    rates = [stage.learning_rate for stage in stages[1:]]
    assert rates == sorted(rates, reverse=True)


def test_linear_probe_never_unfreezes():
    assert [stage.unfreeze for stage in recipes.linear_probe()] == [0.0]


@pytest.mark.parametrize("name", sorted(recipes.FUNCTIONS))
def test_every_function_takes_a_size_and_gives_every_option_to_every_stage(name):
    stages = recipes.FUNCTIONS[name](
        500,
        augmentation="strong",
        mirror=False,
        hue=False,
        mixup=0.2,
        cutmix=1.0,
        balance="sampling",
        label_smoothing=0.0,
        weight_decay=0.5,
    )
    for stage in stages:
        assert (stage.augmentation, stage.mirror, stage.hue) == ("strong", False, False)
        assert (stage.mixup, stage.cutmix, stage.balance) == (0.2, 1.0, "sampling")
        assert (stage.label_smoothing, stage.weight_decay) == (0.0, 0.5)


@pytest.mark.parametrize("name", sorted(recipes.FUNCTIONS))
def test_every_argument_of_a_recipe_is_documented(name):
    documentation = inspect.getdoc(recipes.FUNCTIONS[name]) or ""
    for argument in inspect.signature(recipes.FUNCTIONS[name]).parameters:
        assert f"{argument}:" in documentation


def test_smaller_data_sets_get_more_epochs_and_smaller_batches():
    sizes = [20, 100, 300, 1000, 3000, 30_000]
    head = [schedules.head_epochs(size) for size in sizes]
    unfrozen = [schedules.unfrozen_epochs(size) for size in sizes]
    batch = [schedules.batch_size(size) for size in sizes]
    assert head == sorted(head, reverse=True)
    assert unfrozen == sorted(unfrozen, reverse=True)
    assert batch == sorted(batch)
    assert (head[0], head[-1]) == (20, 2)
    assert (unfrozen[0], unfrozen[-1]) == (15, 4)


def test_epochs_are_those_nearest_to_the_wanted_steps():
    assert schedules.epochs_for_steps(96, 3068, least=1, most=20) == 1
    assert schedules.epochs_for_steps(140, 3068, least=1, most=20) == 1
    assert schedules.epochs_for_steps(150, 3068, least=1, most=20) == 2


def test_many_photos_need_fewer_views_and_no_epoch_goes_without_its_own():
    assert schedules.views(100, 15, "light") == 4
    assert schedules.views(10_000, 4, "light") == 1
    assert schedules.views(10_000, 4, "strong") == 2  # whoever asks for it gets it
    assert schedules.views(10_000, 12, "light") == 2
    assert schedules.views(100, 3, "light") == 3
    assert schedules.views(100, 15, "none") == 1


def test_a_saved_recipe_is_found_by_its_name_and_by_its_path(tmp_path):
    by_name = {recipe.name: recipe for recipe in recipes.saved()}
    assert recipes.load("few-photos") == by_name["few-photos"]
    path = tmp_path / "mine.toml"
    path.write_text(by_name["few-photos"].text)
    assert recipes.load(path).arguments == by_name["few-photos"].arguments


@pytest.mark.parametrize("recipe", recipes.saved(), ids=lambda recipe: recipe.name)
def test_every_saved_recipe_opens_with_situation_command_and_expected_result(recipe):
    opening = recipe.text.split("recipe =")[0]
    for heading in ("# Situation:", "# Command:", "# Expected:"):
        assert heading in opening
    assert f"--recipe {recipe.name}" in opening
    assert recipe.situation
    assert recipe.stages(num_examples=200)


def test_the_situations_that_users_have_are_all_covered():
    assert {recipe.name for recipe in recipes.saved()} >= {
        "documents-or-scans",
        "few-photos",
        "fine-grained",
        "imbalanced",
        "many-photos",
    }


def test_documents_are_neither_mirrored_nor_recoloured():
    for stage in recipes.load("documents-or-scans").stages(300):
        assert not stage.mirror
        assert not stage.hue


def test_a_dumped_recipe_is_read_back_the_same(tmp_path):
    recipe = recipes.load("freeze_then_unfreeze").with_arguments(
        {"epochs": 3, "mirror": False, "augmentation": "none", "learning_rate": 5e-4}
    )
    path = tmp_path / "recipe.toml"
    path.write_text(recipe.dump())
    again = recipes.load(path)
    assert again.arguments == recipe.arguments
    assert again.stages(100) == recipe.stages(100)


def test_an_unknown_argument_names_the_allowed_ones():
    with pytest.raises(
        RecipeError, match="Did you mean 'epochs'.*learning_rate.*Received: epoch=3"
    ):
        recipes.load("linear_probe").with_arguments({"epoch": 3})


def test_a_value_out_of_range_names_the_recipe_and_the_value():
    with pytest.raises(RecipeError, match="linear_probe.*Received: learning_rate=-1"):
        recipes.load("linear_probe").with_arguments({"learning_rate": -1}).stages(100)


def test_an_unknown_recipe_names_the_known_ones():
    with pytest.raises(RecipeError, match="Did you mean 'few-photos'.*linear_probe"):
        recipes.load("few-fotos")


@pytest.mark.parametrize("text", ["not toml", 'epochs = 3\nrecipe = "linear_probe"', "[arguments]"])
def test_a_file_that_is_no_recipe_is_refused(tmp_path, text):
    path = tmp_path / "bad.toml"
    path.write_text(text)
    with pytest.raises(RecipeError, match=r"bad\.toml"):
        recipes.load(path)


def test_recipes_are_listed_without_loading_tensorflow():
    code = (
        "import sys; from tlearn import recipes, stages; recipes.saved();"
        "recipes.freeze_then_unfreeze(); stages.Stage;"
        "assert not {'tensorflow', 'keras'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
