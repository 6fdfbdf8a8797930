"""Part 1 of the launch form: the model, and where it is trained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from sapo_analysis import model_files
from sapo_analysis.analysis.wording import size
from sapo_analysis.app.components.launch_form import Form
from sapo_analysis.app.components.launch_parts import answer_to, heading
from sapo_analysis.app.components.text import md
from sapo_analysis.errors import InputError

DEVICES = {"auto": "Best there is", "cpu": "CPU", "cuda": "GPU"}
PATIENCE_SECONDS = 120.0


def model_part(made: Form, models: list[str]) -> None:
    """Draw the part."""
    heading("1", "Model", "model")
    left, right = st.columns([1, 1], gap="large")
    with left:
        _model(made, models)
    with right:
        _device(made)


def _model(made: Form, models: list[str]) -> None:
    # One that is not known here is shown as it is: what the study asks for is not changed silently.
    now = str(made.value("model"))
    options = models if now in models else [now, *models]
    chosen = st.selectbox(
        "Model",
        options,
        key=made.show("model"),
        format_func=lambda name: name if name in models else f"{name[:80]} (not known here)",
        help="Shipped models and those found on this machine. Nothing is fetched. A folder is given"
        " on the command line alone: `sapo run --set model=FOLDER`, or `sapo app --models-dir`.",
    )
    made.put("model", chosen)
    if chosen in models:
        st.caption(md(_about(str(chosen))))


def _about(name: str) -> str:
    try:
        files = model_files.find_model(name)
    except InputError as error:
        return str(error)
    layout = "chat template" if files.has_chat_template else "plain layout"
    shown = f"{files.n_parameters:,} parameters · {size(files.n_bytes)} on disk · {layout}"
    return shown + (" · never trained: a control" if files.weights == "random" else "")


def _device(made: Form) -> None:
    chosen = st.selectbox(
        "Device",
        list(DEVICES),
        key=made.show("device"),
        # Not what torch answers: a box forgets what was chosen when its options change.
        format_func=DEVICES.__getitem__,
        help="Where it is trained. One run at a time works on a device; the others wait.",
    )
    made.put("device", chosen)
    what = {"asking": "Asking torch which devices it can use …", "again": "Ask again"}
    answer = answer_to("devices", {}, PATIENCE_SECONDS, **what)
    if answer is None:
        return
    if chosen != "cuda" or answer["gpus"]:
        st.caption(md(_in_words(str(chosen), answer)))
    for gpu in answer["unused_gpus"][:1]:
        st.warning(
            f"{md(gpu)}: torch is a CPU build. {md(answer['mend'])}",
            icon=":material/memory_alt:",
        )
    if chosen == "cuda" and not answer["gpus"]:
        st.warning(
            "torch sees no GPU here: the run would fail at its start. Choose another device.",
            icon=":material/memory_alt:",
        )


def _in_words(name: str, answer: Mapping[str, Any]) -> str:
    """What a choice comes to here."""
    gpus = [
        f"GPU {i}, {gpu}, {free / 1e9:.0f} of {total / 1e9:.0f} GB free"
        for i, (gpu, (free, total)) in enumerate(
            zip(answer["gpus"], answer["gpu_memory"], strict=True)
        )
    ]
    takes_gpu = name == "cuda" or (name == "auto" and answer["device"] == "cuda")
    return gpus[0] if gpus and takes_gpu else f"CPU, {answer['threads']} threads"
