"""The file that says who may send to a DICOM node, and where results go.

    node: {ae_title: PNETKIT, host: 0.0.0.0, port: 11112, callers: [PACS, CT1]}
    destinations:
      pacs: {way: dimse, host: pacs.example, port: 104, ae_title: PACS}
      archive: {way: stow, url: https://archive.example/dicom-web, token_file: /etc/pnetkit/token}

A secret is never in it, only where it is read: files and variables of the environment are not seen by all who list
processes, nor copied along with a configuration.
"""

import json
import os
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator

from pnetkit.errors import Fault, FaultsError, RecipeError
from pnetkit.recipe.document import Document, parse
from pnetkit.recipe.fields import Positive, Section

AeTitle = Annotated[str, Field(min_length=1, max_length=16, pattern=r"^[!-\[\]-~]([ -\[\]-~]*[!-\[\]-~])?$")]
Port = Annotated[int, Field(ge=1, le=65535)]
Host = Annotated[str, Field(min_length=1, pattern=r"^\S+$")]


class ConfigError(FaultsError):
    """Report the faults of a service's configuration, each with its line."""

    exit_code = 2


class Node(Section):
    """Say where the node listens, what it is called, and who may call it."""

    callers: Annotated[tuple[AeTitle, ...], Field(min_length=1, description="AE titles that may send.")]
    ae_title: AeTitle = "PNETKIT"
    host: Host = "127.0.0.1"
    port: Port = 11112
    associations: Annotated[Positive, Field(description="Most associations at once.")] = 20
    most_image_mb: Annotated[Positive, Field(description="Largest dataset that is taken, in MB.")] = 512


class Dimse(Section):
    """A destination that takes C-STORE."""

    way: Literal["dimse"]
    host: Host
    port: Port
    ae_title: AeTitle


class Stow(Section):
    """A destination that takes STOW-RS; `url` is the root of its DICOMweb service."""

    way: Literal["stow"]
    url: Annotated[str, Field(pattern=r"^https?://[^\s@]+$")]
    token_file: Path | None = None
    token_env: str | None = None
    user: str | None = None
    password_file: Path | None = None
    password_env: str | None = None
    ca_file: Path | None = None

    @model_validator(mode="after")
    def _one_secret(self) -> "Stow":
        tokens = [of for of in (self.token_file, self.token_env) if of is not None]
        passwords = [of for of in (self.password_file, self.password_env) if of is not None]
        if len(tokens) + len(passwords) > 1:
            raise ValueError("wanted one of token_file, token_env, password_file, password_env")
        if bool(passwords) != (self.user is not None):
            raise ValueError("user and one of password_file, password_env go together")
        return self


class Retry(Section):
    """Say how a destination that does not answer is tried again: after `first_s`, twice that, and so on."""

    first_s: Annotated[float, Field(gt=0)] = 30.0
    most_s: Annotated[float, Field(gt=0)] = 3600.0
    give_up_after_h: Annotated[float, Field(gt=0)] = 72.0


class Config(Section):
    """A whole configuration."""

    node: Node
    destinations: Annotated[
        dict[str, Annotated[Dimse | Stow, Field(discriminator="way")]], Field(min_length=1, description="By name.")
    ]
    retry: Retry = Retry()


def read_config(path: Path) -> Config:
    """Read a configuration. Raises ConfigError with every fault and its line."""
    try:
        document = parse(path.read_text(encoding="utf-8-sig"), path.name)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError("The configuration cannot be read:", [Fault(str(path), str(error))]) from error
    except RecipeError as error:
        raise ConfigError("The configuration cannot be read:", error.faults) from error
    try:
        return Config.model_validate_json(json.dumps(document.data))  # lists for tuples, texts for paths
    except ValidationError as error:
        faults = [_fault(dict(detail), document, path.name) for detail in error.errors(include_input=False)]
        raise ConfigError(f"The configuration {path} has faults:", faults) from error


def secret(file: Path | None, variable: str | None) -> str | None:
    """Read a secret from where it is kept; None where there is none. Raises ConfigError where it is not there."""
    if file is not None:
        try:
            return file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError("A secret cannot be read:", [Fault(str(file), type(error).__name__)]) from error
    if variable is not None:
        if not os.environ.get(variable):
            raise ConfigError("A secret cannot be read:", [Fault(variable, "the environment has no such variable")])
        return os.environ[variable]
    return None


def _fault(detail: dict[str, Any], document: Document, name: str) -> Fault:
    steps: list[str | int] = []
    for step in detail["loc"]:
        if (*steps, step) in document.origins or step not in ("dimse", "stow"):
            steps.append(step)
    where = next(
        (document.origins[(*steps[:n],)] for n in range(len(steps), 0, -1) if (*steps[:n],) in document.origins), name
    )
    said = str(detail["ctx"]["error"]) if detail["type"] == "value_error" else detail["msg"]
    return Fault(where, f"{'.'.join(map(str, steps)) or 'the configuration'}: {said[0].lower()}{said[1:]}")
