"""Specs as files: YAML that a user writes, presets, and the `spec.json` of a run."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from sapo_analysis.errors import InputError
from sapo_analysis.explain import explain
from sapo_analysis.spec.imported import ImportedResults, ImportedSequence
from sapo_analysis.spec.orders import with_folders_read
from sapo_analysis.spec.paraphrase import ParaphraseStudy
from sapo_analysis.spec.presets import presets_in_words
from sapo_analysis.spec.sequence import SequenceStudy
from sapo_analysis.spec.settings import SCHEMA_VERSION

AnyStudy = ParaphraseStudy | SequenceStudy
AnyImported = ImportedResults | ImportedSequence
AnySpec = AnyStudy | AnyImported
"""What the `spec.json` of a run folder holds."""
KINDS: dict[str, type[ParaphraseStudy] | type[SequenceStudy]] = {
    "paraphrase": ParaphraseStudy,
    "sequence": SequenceStudy,
}
IMPORTED: dict[str, type[ImportedResults] | type[ImportedSequence]] = {
    "imported": ImportedResults,
    "imported-sequence": ImportedSequence,
}


def parse_study(data: dict[str, Any], source: str) -> AnyStudy:
    """A spec from plain data.

    Raises:
        InputError: a setting is unknown, misspelt or out of range, or the schema is newer than this
            version; `source` and every offending field are named.
    """
    if not isinstance(data, dict):
        raise InputError(
            f"{source} does not hold a study: it must be a mapping of settings,"
            f" got {type(data).__name__}."
        )
    if odd := [key for key in data if not isinstance(key, str)]:
        raise InputError(f"{source} has settings that are no names: {odd}. Write name: value.")
    _refuse_newer(data, source)
    kind = data.get("kind", "paraphrase")
    if kind in IMPORTED:
        raise InputError(
            f"{source} stands for imported results, of which it is not known how they were made:"
            " they cannot be run. Give the spec of a study."
        )
    if "kind" not in data and "orders" in data:
        raise InputError(f"{source} has orders and no kind. Add the line `kind: sequence`.")
    if kind not in KINDS:
        raise InputError(f"{source} is a study of kind {kind!r}. Known kinds: {', '.join(KINDS)}.")
    try:
        if kind == "sequence" and "orders" in data:
            data = {**data, "orders": with_folders_read(data["orders"])}
        return KINDS[kind](**data)
    except InputError as error:
        raise InputError(f"{source}: {error}") from error


def parse_spec(data: dict[str, Any], source: str) -> AnySpec:
    """What the `spec.json` of a run says: its study, or that its results were imported.

    Raises:
        InputError: as `parse_study`.
    """
    made = IMPORTED.get(str(data.get("kind")))
    if made is None:
        return parse_study(data, source)
    _refuse_newer(data, source)
    try:
        return made.model_validate(data)
    except ValidationError as error:
        raise InputError(f"{source}: {explain(error, made)}") from error


def _refuse_newer(data: Mapping[str, Any], source: str) -> None:
    version = data.get("schema_version", SCHEMA_VERSION)
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise InputError(
            f"{source} has schema_version {version}; this version reads up to {SCHEMA_VERSION}."
            " It was written by a newer sapo-analysis: upgrade, then try again."
        )


def load_study(path: Path) -> AnyStudy:
    """A spec from a YAML or JSON file; its name defaults to the file's stem.

    Raises:
        InputError: no such file, not YAML, or not a valid study.
    """
    return parse_study(read_spec_data(path), str(path))


def read_spec_data(path: Path) -> dict[str, Any]:
    """The plain settings of a spec file, with `name` filled in from the file's stem."""
    import yaml

    try:
        data: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(
            f"No spec file {str(path)!r}. Give a YAML file or a preset: {presets_in_words()}."
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"Cannot read {str(path)!r}: {error}. Give a readable YAML file."
        ) from error
    except yaml.YAMLError as error:
        raise InputError(
            f"{str(path)!r} is not YAML: {error}. Mend it at the place named."
        ) from error
    if isinstance(data, dict):
        data.setdefault("name", re.sub(r"[^a-z0-9]+", "-", path.stem.lower()).strip("-")[:40])
    return data


def by_dotted_name(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Settings inside settings as one level: `training.steps`."""
    found: dict[str, Any] = {}
    for key, value in settings.items():
        name = prefix + key
        inner = isinstance(value, Mapping)
        found.update(by_dotted_name(value, f"{name}.") if inner else {name: value})
    return found


def to_json(spec: AnySpec) -> str:
    """The spec as the text of `spec.json`; `parse_spec(json.loads(...))` gives an equal spec."""
    return json.dumps(spec.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n"
