"""What a module may be told beside its folders: how phases are told, gates, and where outputs go."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pnetkit.errors import Fault, FaultsError

Kind = Literal["segmentation", "detection-map", "score", "likelihood", "decision", "finding"]

IMAGES: tuple[Kind, ...] = ("segmentation", "detection-map")
"""What is written as an image, and needs to know of which input."""


class SettingsError(FaultsError):
    """Report settings of a module that say something else than settings can."""

    exit_code = 2


class Output(BaseModel):
    """Say what one output holds; `of` is an input of the model, for images."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    what: Kind
    of: str | None = None


class Settings(BaseModel):
    """Say how a folder is understood. Phases and patterns as `pnetkit screen` takes them.

    `sockets` (slug: phase) and `outputs` (relative path: what) are Grand-Challenge's; without them names say the phase,
    and all that there is is written.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    series: dict[str, str] = Field(default_factory=dict)
    description: dict[str, str] = Field(default_factory=dict)
    by: Literal["description", "time", "image"] = "description"
    same_patient: bool = False
    on_gate: Literal["error", "flag", "off"] = "error"
    pdf: bool = False
    folds: list[int] | None = None
    device: str = "auto"
    sockets: dict[str, str] | None = None
    outputs: dict[str, Output] | None = None


def settings_of(said: Mapping[str, Any], where: str) -> Settings:
    """Hold plain data to what settings are; `where` names them in faults.

    Raises:
        SettingsError: a key is unknown, a value is of another kind, or an image's output does not say of which input.
    """
    try:
        settings = Settings.model_validate(said)
    except ValidationError as error:
        faults = [Fault(".".join(map(str, of["loc"])) or where, of["msg"]) for of in error.errors()]
        raise SettingsError(f"{where}: cannot be used as settings of a module:", faults) from error
    unsaid = [path for path, of in (settings.outputs or {}).items() if of.what in IMAGES and of.of is None]
    if unsaid:
        faults = [Fault(path, 'is an image; say of which input of the model: "of": "venous"') for path in unsaid]
        raise SettingsError(f"{where}: cannot be used as settings of a module:", faults)
    return settings


def read_settings(path: Path) -> Settings:
    """Read settings from a file of JSON. Raises SettingsError as `settings_of`, and where it is none."""
    return settings_of(read_object(path), str(path))


def read_object(path: Path) -> dict[str, Any]:
    """Read a JSON object. Raises SettingsError where there is none, or it is damaged."""
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        what = error.strerror if isinstance(error, OSError) else error
        raise SettingsError("A file of JSON cannot be read:", [Fault(str(path), str(what))]) from error
    if not isinstance(said, dict):
        raise SettingsError("A file of JSON cannot be read:", [Fault(str(path), "wanted an object: {...}")])
    return said
