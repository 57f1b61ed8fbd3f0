"""Options that name a TOML file: recorded by content, shown by name."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest

from medprep.augmentation.recipe import named_recipe
from medprep.errors import OptionError
from medprep.option_files import held_toml, option_name, option_toml
from medprep.stages.augment import Augment, recipe_name
from medprep.stages.base import command_words
from medprep.stages.train import Train


@pytest.mark.parametrize("content", ["", "a = 1", "a = 1\n# of other.toml", "\n\na = 1\n"])
def test_a_held_file_is_itself_again(tmp_path: Path, content: str) -> None:
    file = tmp_path / "Own.TOML"
    file.write_text(content)
    held = held_toml(str(file), "the table")
    file.unlink()
    assert held_toml(held, "the table") == held
    assert option_toml(held, "the table") == ("Own.TOML", content)
    assert option_name(held) == "Own.TOML"


@pytest.mark.parametrize("value", ["tutorial", "", "a\nb", "(?x)\n(?P<patient>.*)"])
def test_what_is_no_file_stays_as_it_is(value: str) -> None:
    assert held_toml(value, "it") == value == option_name(value)
    assert option_toml(value, "it") is None


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="the recipe cannot be read"):
        held_toml(str(tmp_path / "none.toml"), "the recipe")


@pytest.mark.parametrize(("kind", "option"), [(Augment, "recipe"), (Train, "augment")])
def test_a_recipe_of_ones_own_goes_with_the_options(
    tmp_path: Path, kind: type[Augment] | type[Train], option: str
) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('start = "tutorial"\nflip = 0.25\n')
    recipe = named_recipe(str(file))
    stage = kind(**{option: str(file)})
    file.unlink()
    again = kind(**asdict(stage))
    value = getattr(again, option)
    assert again == stage
    assert named_recipe(value) == recipe
    assert recipe.flip == 0.25
    assert recipe_name(value) == "mine.toml"
    assert command_words(again) == [kind.name, f"--{option}", "mine.toml"]
