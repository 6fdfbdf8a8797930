"""Part 1 of the launch form: the model, and where it is trained."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import streamlit as st

from sapo_analysis.analysis.wording import RANDOM_WEIGHTS, size
from sapo_analysis.app.components.add_model import add_model
from sapo_analysis.app.components.launch_form import Form
from sapo_analysis.app.components.launch_parts import answer_to, heading
from sapo_analysis.app.components.text import md
from sapo_analysis.app.launching import files_of
from sapo_analysis.model_files import RANDOM, RANDOM_PREFIX, ModelFiles, split_revision

DEVICES = {"auto": "Best there is", "cpu": "CPU", "cuda": "GPU"}
PATIENCE_SECONDS = 120.0
LARGE = 500_000_000
"""Parameters from which the type of the weights decides whether a model fits."""


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
    trained = now.removeprefix(RANDOM_PREFIX)
    options = models if trained in models else [trained, *models]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        key = made.key("model")
        st.session_state.setdefault(key, trained)
        chosen = st.selectbox(
            "Model",
            options,
            key=key,
            format_func=partial(_called, models=models),
            help="Shipped models and those found on this machine; no study fetches one. A folder is"
            " given on the command line alone: `sapo run --set model=FOLDER`, or `sapo app"
            " --models-dir`.",
        )
        add_model()
    key = made.key("untrained")
    st.session_state.setdefault(key, now != trained)
    is_control = chosen != RANDOM and st.checkbox(
        "The same architecture, untrained",
        key=key,
        help="Random weights: a control that shows what wording does without knowledge. It gets no"
        " verdict.",
    )
    made.put("model", f"{RANDOM_PREFIX}{chosen}" if is_control else chosen)
    files = files_of(str(made.value("model")), models)
    if files is not None:
        _about(made, files)


def _called(name: str, models: list[str]) -> str:
    model_id, revision = split_revision(name)
    shown = f"{model_id} at {revision[:12]}" if revision else name[:80]
    return shown if name in models else f"{shown} (not known here)"


def _about(made: Form, files: ModelFiles) -> None:
    layout = "chat template" if files.has_chat_template else "plain layout"
    shown = f"{files.n_parameters:,} parameters · {size(files.n_bytes)} on disk · {layout}"
    if files.revision:
        shown += f" · revision {files.revision[:12]}"
    st.caption(md(shown), help="Plain layout: instruction, text and answer, without a template.")
    if files.weights == "random":
        st.badge(RANDOM_WEIGHTS, icon=":material/casino:", color="orange")
    if files.n_parameters >= LARGE and made.value("dtype") == "float32":
        whole = size(4 * files.n_parameters)
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption(f"In float32 its weights alone take {whole}, in bfloat16 half of that.")
            st.button(
                "Use bfloat16",
                key=made.key("take-bfloat16"),
                type="tertiary",
                help="Sets dtype under Advanced. Losses are rounded more coarsely; on a CPU it is"
                " slow.",
                on_click=_take_bfloat16,
                args=(made,),
            )


def _take_bfloat16(made: Form) -> None:
    made.put("dtype", "bfloat16")
    st.session_state.pop(made.key("dtype"), None)


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
