"""MNIST as recipes: which columns, and how a pixel becomes a number. Workers read them without this file."""

from typing import Any

from clients.pytorch import RecipeLoader

MEAN = 0.1307
DEVIATION = 0.3081
ROWS = {"train_input": 60_000, "eval_input": 10_000}


def get_train_dataloader(params: dict[str, Any]) -> RecipeLoader:
    """Batches of (image, label): float (batch, 1, 28, 28), normalised, and int32 (batch,)."""
    return _loader(params["train_input"], "train_input", training=True)


def get_eval_dataloader(params: dict[str, Any]) -> RecipeLoader:
    """As for training; the last batch is smaller where drop_last_batch does not forbid it."""
    return _loader(params["eval_input"], "eval_input", training=False)


def _loader(section: dict[str, Any], name: str, training: bool) -> RecipeLoader:
    columns = {
        "image": {
            "dtype": "uint8",
            "shape": [1, 28, 28],
            "scale": 1 / (255 * DEVIATION),
            "offset": -MEAN / DEVIATION,
            "lands_as": "float16" if section.get("to_float16", True) else "float32",
        },
        "label": {"dtype": "int32", "shape": []},
    }
    recipe = {"format": "parquet", "columns": columns, **section}
    if section.get("use_fake_data"):
        recipe.setdefault("rows", ROWS[name])
    return RecipeLoader(recipe, where=name, training=training)
