"""Find the recipes that come with pnetkit, by name: `s4c_dual`, `ablations/and_fusion`.

Their home is the checkout's folder `recipes`. A wheel carries a copy of it inside the package. A name is looked up
among the files that are there and never made into a path, so it cannot lead out of that folder.
"""

from pathlib import Path

from pnetkit.errors import Fault, RecipeError, did_you_mean

PREFIX = "pnetkit:"
"""What stands before the name of a shipped recipe where a file could be meant."""

SUFFIX = ".yaml"
"""How the files of recipes end; their names leave it out."""


def shipped_folder() -> Path:
    """Give the folder of the shipped recipes: the installed package's own, or the one of the checkout around it."""
    package = Path(__file__).parents[1]
    checkout = package.parent
    if not (package / "shipped_recipes").is_dir() and (checkout / "pyproject.toml").is_file():
        return checkout / "recipes"
    return package / "shipped_recipes"


def shipped_recipes() -> dict[str, Path]:
    """Give name and file of every shipped recipe, those at the top first; none where there is no folder."""
    folder = shipped_folder()
    found = {path.relative_to(folder).as_posix().removesuffix(SUFFIX): path for path in folder.rglob(f"*{SUFFIX}")}
    return {name: found[name] for name in sorted(found, key=lambda name: (name.count("/"), name))}


def shipped_name(path: Path) -> str | None:
    """Give the name of the shipped recipe that lies in this file, or None."""
    return next((name for name, file in shipped_recipes().items() if file.resolve() == path.resolve()), None)


def locate(given: Path) -> Path:
    """Give the file that a recipe's path or name stands for: a path that exists wins, then the shipped recipes.

    Raises:
        RecipeError: there is neither such a file nor such a shipped recipe; or a folder has a shipped recipe's name.
    """
    name = given.as_posix().removeprefix(PREFIX)
    shipped = shipped_recipes().get(name)
    if given.exists():
        if given.is_dir() and shipped is not None:
            fault = Fault(str(given), f"is a folder; give the path of a recipe, or {PREFIX}{name} for the shipped one")
            raise RecipeError("The recipe cannot be read:", [fault])
        return given
    if shipped is not None:
        return shipped
    told = "there is no shipped recipe of that name"
    if not given.as_posix().startswith(PREFIX):
        told = "there is no such file, and no shipped recipe of that name"
    raise RecipeError("The recipe cannot be read:", [Fault(str(given), f"{told}.{suggest(given.as_posix())}")])


def locate_parent(extends: str, child: Path, place: str) -> Path:
    """Give the file that `extends` of the recipe in the file `child` stands for; `place` is where it says so.

    Raises:
        RecipeError: there is no such file or, after `pnetkit:`, no such shipped recipe.
    """
    if not extends.startswith(PREFIX):
        parent = child.parent / extends
        if parent.exists():
            return parent
        told = f"there is no such file as {parent}.{suggest(extends, PREFIX, listed=False)}"
    else:
        shipped = shipped_recipes().get(extends.removeprefix(PREFIX))
        if shipped is not None:
            return shipped
        told = f"there is no shipped recipe {extends!r}.{suggest(extends, PREFIX)}"
    raise RecipeError("The recipe has faults:", [Fault(place, f"extends: {told}")])


def suggest(wrong: str, before: str = "", *, listed: bool = True) -> str:
    """Give a sentence with the shipped recipes that may have been meant by a name or by a path as in a checkout.

    Their names get `before` in front. Where none is close, the sentence says where they are `listed`, or is empty.
    """
    names = list(shipped_recipes())
    meant = wrong.removeprefix(PREFIX).rpartition("recipes/")[2].removesuffix(SUFFIX)
    found = did_you_mean(meant, [meant] if meant in names else names, before=before)
    if found.startswith(" Did"):
        return found
    return " `pnetkit recipe list` names those that there are." if listed else ""
