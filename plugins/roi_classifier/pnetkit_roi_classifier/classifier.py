"""The RoI classifier: fit the classification network on frozen features, decide by its probability."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch.nn.functional import cross_entropy

from pnetkit.errors import StoreError, TrainingError
from pnetkit.types import DUCT, TUMOR, Evidence, FeatureNeeds, PhaseFinding
from pnetkit_roi_classifier.network import ClassificationNet, Head

WEIGHTS, CONFIG = "classifier.safetensors", "classifier.json"
NO_PANCREAS = "no pancreas found"
"""The flag of a case that has no region to look at."""


class RoiClassifier:
    """Classify the pancreas region with a small network on a backbone's feature map (the paper, Section 3.4).

    Trained with batches of one on the features of the training folds, by SGD with a polynomial schedule. A case in
    which no pancreas was found is decided by `empty_pancreas`, and flagged.
    """

    kit_params: ClassVar[Mapping[str, Any]] = {"channels": (8, 8), "groups": 4, "iterations": 40}

    def __init__(
        self,
        *,
        feature: Annotated[str, Field(min_length=1, description="The backbone's feature map to work on.")] = "pool3",
        channels: Annotated[
            tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=1, description="Channels of the convolutions.")
        ] = (128, 128),
        groups: Annotated[int, Field(ge=1, description="Groups of the normalization.")] = 32,
        head: Annotated[Head, Field(description="Global pooling; 'max' or 'avgmax' for tiny tumors.")] = "avg",
        dropout: Annotated[float, Field(ge=0, lt=1, description="Dropout before the linear layer.")] = 0.0,
        iterations: Annotated[int, Field(ge=1, description="Steps, each on one case.")] = 20000,
        learning_rate: Annotated[float, Field(gt=0, description="First learning rate.")] = 0.001,
        poly_power: Annotated[float, Field(ge=0, description="Power of the polynomial schedule.")] = 0.9,
        momentum: Annotated[float, Field(ge=0, lt=1, description="Momentum of SGD.")] = 0.9,
        weight_decay: Annotated[float, Field(ge=0, description="Weight decay of SGD.")] = 5e-4,
        margin_voxels: Annotated[int, Field(ge=0, description="Margin around the predicted pancreas.")] = 20,
        training_margin_voxels: Annotated[int, Field(ge=0, description="Margin around the reference label.")] = 0,
        threshold: Annotated[float, Field(gt=0, lt=1, description="Least probability of an abnormal phase.")] = 0.5,
        empty_pancreas: Annotated[
            Literal["normal", "abnormal"], Field(description="What a case without a pancreas is called.")
        ] = "normal",
    ) -> None:
        wrong = [c for c in channels if c % groups]
        if wrong:
            raise ValueError(
                f"channels {wrong[0]} cannot be split into {groups} groups; choose groups that divide them"
            )
        self.needs = FeatureNeeds(
            (feature,), training_margin_voxels, margin_voxels, training_segmentation=False
        )  # `fit` looks at maps alone
        self._feature = feature
        self._shape: dict[str, Any] = {"channels": list(channels), "groups": groups, "head": head, "dropout": dropout}
        self._iterations, self._learning_rate, self._poly_power = iterations, learning_rate, poly_power
        self._momentum, self._weight_decay = momentum, weight_decay
        self._threshold, self._empty = threshold, empty_pancreas
        self._network: ClassificationNet | None = None
        self._in_channels = 0

    def fit(self, evidence: Sequence[Evidence], abnormal: Sequence[bool], *, seed: int, device: str) -> None:
        """Train on the feature maps; cases without a map have no pancreas in their label and are left out."""
        maps = [item.features.get(self._feature) for item in evidence]
        pairs = [(torch.from_numpy(m), int(a)) for m, a in zip(maps, abnormal, strict=True) if m is not None]
        classes = {label for _, label in pairs}
        if len(classes) < 2:  # noqa: PLR2004
            what = {0: "normal", 1: "abnormal"}
            only = f"only {what[classes.pop()]} ones" if classes else "none"
            raise TrainingError(
                f"The RoI classifier needs normal and abnormal training cases with a pancreas, it got {only}. "
                "Check the cohort's 'abnormal' column, or use fewer folds."
            )
        self._in_channels = int(pairs[0][0].shape[0])
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = ClassificationNet(self._in_channels, **self._shape).to(device).train()
            self._train(network, pairs, seed, device)
        self._network = network.eval().cpu()

    def classify(self, evidence: Evidence) -> PhaseFinding:
        """Give the network's probability of an abnormal phase."""
        labels = evidence.segmentation.labels
        measured = {"tumor_voxels": float((labels == TUMOR).sum()), "duct_voxels": float((labels == DUCT).sum())}
        features = evidence.features.get(self._feature)
        if features is None:
            score = 1.0 if self._empty == "abnormal" else 0.0
            return PhaseFinding(evidence.phase, score, self._threshold, measured, (NO_PANCREAS,))
        if self._network is None:
            raise ValueError("the RoI classifier was neither fitted nor loaded")
        with torch.inference_mode():
            logits = self._network(torch.from_numpy(np.ascontiguousarray(features))[None])
        probability = float(logits.double().softmax(1)[0, 1])
        return PhaseFinding(
            evidence.phase, probability, self._threshold, {"tumor_probability": probability, **measured}
        )

    def save(self, folder: Path) -> None:
        """Write weights and shape."""
        if self._network is None:
            raise ValueError("the RoI classifier was not fitted, so there is nothing to save")
        save_file({key: value.contiguous() for key, value in self._network.state_dict().items()}, folder / WEIGHTS)
        config = {"feature": self._feature, "in_channels": self._in_channels, **self._shape}
        (folder / CONFIG).write_text(json.dumps(config, sort_keys=True) + "\n", encoding="utf-8")

    def load(self, folder: Path) -> None:
        """Read what `save` wrote. Raises StoreError naming the file that is missing, damaged or of another shape."""
        try:
            config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
            in_channels = int(config.pop("in_channels"))
            wanted = {"feature": self._feature, **self._shape}
        except (OSError, ValueError, KeyError, AttributeError) as error:
            raise StoreError(f"{folder / CONFIG}: cannot be read ({error}). Fit the classifier again.") from error
        if config != wanted:
            raise StoreError(f"{folder / CONFIG}: describes {config}, wanted {wanted}. Fit the classifier again.")
        network = ClassificationNet(in_channels, **self._shape)
        try:
            network.load_state_dict(load_file(folder / WEIGHTS))
        except (OSError, SafetensorError, RuntimeError) as error:
            raise StoreError(f"{folder / WEIGHTS}: cannot be loaded ({error}). Fit the classifier again.") from error
        self._network, self._in_channels = network.eval(), in_channels

    def _train(
        self, network: ClassificationNet, pairs: Sequence[tuple[torch.Tensor, int]], seed: int, device: str
    ) -> None:
        optimizer = torch.optim.SGD(
            network.parameters(), lr=self._learning_rate, momentum=self._momentum, weight_decay=self._weight_decay
        )
        schedule = torch.optim.lr_scheduler.PolynomialLR(optimizer, self._iterations, self._poly_power)
        order = np.random.default_rng([seed, 1])
        queue: list[int] = []
        for iteration in range(self._iterations):
            queue = queue or order.permutation(len(pairs)).tolist()  # each case once before any comes again
            features, label = pairs[queue.pop()]
            loss = cross_entropy(network(features[None].to(device)), torch.tensor([label], device=device))
            if not math.isfinite(float(loss.detach())):
                raise TrainingError(
                    f"The RoI classifier's loss became {float(loss.detach())} at iteration {iteration} of "
                    f"{self._iterations}. Lower its learning_rate."
                )
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            schedule.step()
