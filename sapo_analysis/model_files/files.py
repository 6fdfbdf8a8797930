"""One model on this machine: its folder, and what can be read off its files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sapo_analysis.model_files import weights as weight_reading
from sapo_analysis.model_files.fingerprint import fingerprint
from sapo_analysis.model_files.weights import json_object, weight_files


@dataclass(frozen=True)
class ModelFiles:
    """One model on this machine: `weights` is `trained`, or `random` for an untrained control."""

    name: str
    folder: Path
    weights: str
    label: str
    """What a published run calls the model: its known name, or its folder's name alone."""
    revision: str | None = None
    """Commit hash of a snapshot of the hub; None for every other folder."""
    remote_code: bool = False
    """Whether code that the folder brings along may be run."""

    @property
    def fingerprint(self) -> str:
        """sha256 over the configuration, tokenizer and weight files: equal means the same model."""
        return fingerprint(self.folder, self.weights, from_hub=self.revision is not None)

    @property
    def pretrained_folder(self) -> Path | None:
        """Where records of this model's pretraining would be; None for one that had none."""
        return self.folder if self.weights == "trained" else None

    @property
    def n_parameters(self) -> int:
        """Number of stored weights, read from the safetensors headers."""
        return sum(weight_reading.n_parameters(path) for path in weight_files(self.folder))

    @property
    def n_bytes(self) -> int:
        """Size of the weight files on disk (bytes)."""
        return sum(path.stat().st_size for path in weight_files(self.folder))

    @property
    def has_chat_template(self) -> bool:
        """Whether its tokenizer lays messages out; else prompts are in the plain layout."""
        if (self.folder / "chat_template.jinja").is_file():
            return True
        return bool(json_object(self.folder / "tokenizer_config.json").get("chat_template"))

    @property
    def base_scores(self) -> dict[str, float]:
        """Score of each task under its original prompt at θ_0 (0 to 100), as its card has them.

        Only a model that was pretrained here has a card; an untrained control has none.
        """
        folder = self.pretrained_folder
        card = json_object(folder / "pretraining.json").get("card") if folder else None
        try:
            return {row["task"]: float(row["original"]["score"]) for row in card or ()}
        except (KeyError, TypeError, ValueError):  # another tool's file of that name
            return {}
