"""Models on this machine and on the Hugging Face hub: `sapo models`, `sapo fetch`."""

from __future__ import annotations

import os
from typing import Annotated, Any

import typer
from rich.console import Console

from sapo_analysis import jobs, model_files
from sapo_analysis.cli.options import JsonOption, RemoteCodeOption
from sapo_analysis.cli.output import say, show, show_json, show_table, size
from sapo_analysis.errors import InputError
from sapo_analysis.model_files import LocalModel
from sapo_analysis.model_files.places import shipped_names

_LOCAL = ["model", "weights", "parameters", "size", "revision", "layout", "from", "state"]


def models(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[MODEL…]",
            help="Names, folders or ids of the hub. [default: all that is on this machine]",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List the models on this machine; of an id that is not, tell what would be fetched."""
    local, ids = _parted(names)
    offers = [_offer(name) for name in ids]
    if as_json:
        show_json([*(_as_data(model) for model in local), *(_offer_data(o) for o in offers)])
        return
    if local:
        show_table(
            "Models on this machine",
            _LOCAL,
            [_row(model) for model in local],
            whole=("model", "parameters"),
        )
        for model in local:
            if model.problem:
                show(f"{model.name}: {model.problem}")
        show(
            "Any folder with a model may be given too, and any name after random: for its untrained"
            " control. `sapo fetch ID` brings a model of the hub."
        )
    for offer in offers:
        _show_offer(offer)


def fetch(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL[@REVISION]",
            help="An id of the hub; the revision is a branch, a tag or a commit.",
        ),
    ],
    trust_remote_code: RemoteCodeOption = False,
    as_json: JsonOption = False,
) -> None:
    """Fetch a model of the Hugging Face hub into its local cache. Nothing else fetches one."""
    if model in (*shipped_names(), model_files.RANDOM):
        raise InputError(
            f"Model {model!r} comes with this package: there is nothing to fetch. Give an id of the"
            " hub, such as HuggingFaceTB/SmolLM2-135M."
        )
    payload = {"model": model, "trust_remote_code": trust_remote_code}
    answer = jobs.probe("fetch_model", payload, None, True)
    name = f"{answer['name']}@{answer['revision']}"
    files = model_files.find_model(name)
    if as_json:
        show_json(_as_data(model_files.look_at(name, "hub cache")))
        return
    say(f"{files.n_parameters:,} parameters, {_layout(files)}. In a study: model: {model}")
    show(name)


def _parted(names: list[str] | None) -> tuple[list[LocalModel], list[str]]:
    """What is here of the models named, and the ids of the hub that are not."""
    everything = {model.name: model for model in model_files.survey()}
    if not names:
        return list(everything.values()), []
    local, ids = [], []
    for name in names:
        if name in everything:
            local.append(everything[name])
        elif (found := model_files.look_at(name)).files is not None or os.path.isdir(name):
            local.append(found)
        elif model_files.is_hub_id(name):
            ids.append(name)
        else:
            model_files.find_model(name)  # which says what is wrong with it
    return local, ids


def _offer(name: str) -> dict[str, Any]:
    with Console(stderr=True).status(f"Asking the hub for {name}"):
        return jobs.probe("hub_model", {"model": name})


def _row(model: LocalModel) -> tuple[object, ...]:
    files = model.files
    if files is None:
        revision = model.revision and model.revision[:12]
        return (model.name, None, None, None, revision, None, model.source, "not usable")
    revision = files.revision and files.revision[:12]
    return (
        *(model.name, files.weights, files.n_parameters, size(files.n_bytes), revision),
        *(_layout(files), model.source, "complete"),
    )


def _layout(files: model_files.ModelFiles) -> str:
    return "chat template" if files.has_chat_template else "plain layout"


def _as_data(model: LocalModel) -> dict[str, Any]:
    files = model.files
    return {
        "name": model.name,
        "weights": files.weights if files else None,
        "n_parameters": files.n_parameters if files else None,
        "n_bytes": files.n_bytes if files else None,
        "revision": model.revision,
        "layout": _layout(files) if files else None,
        "source": model.source,
        "complete": files is not None,
        "problem": model.problem,
        "folder": str(model.folder),
        "local": True,
    }


def _offer_data(offer: dict[str, Any]) -> dict[str, Any]:
    return {**offer, "source": "hub", "complete": False, "local": False}


def _show_offer(offer: dict[str, Any]) -> None:
    rows = [
        (file["name"], size(file["n_bytes"]), "here" if file["is_here"] else "to fetch")
        for file in offer["files"]
    ]
    gated = f" It is gated: accept its terms at {offer['page']}." if offer["gated"] else ""
    show_table(f"{offer['name']} on the hub", ["file", "size", "state"], rows)
    show(
        f"At revision {offer['revision']}. {size(offer['missing_bytes'])} would be fetched:"
        f" sapo fetch {offer['name']}.{gated}"
    )
