"""Methods compared: what each method changes and costs, and what chosen runs say of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from sapo_analysis.analysis.method_names import methods_of
from sapo_analysis.app import compared
from sapo_analysis.app.compared import Compared
from sapo_analysis.app.components import charts, header, links
from sapo_analysis.app.components.chosen_runs import show_chosen
from sapo_analysis.app.components.compared_methods import all_keys, methods_tab
from sapo_analysis.app.components.compared_outputs import outputs_tab
from sapo_analysis.app.components.compared_published import published_tab
from sapo_analysis.app.components.compared_scores import differences_tab, scores_tab
from sapo_analysis.app.components.compared_with_plain import against_plain_tab
from sapo_analysis.app.components.diagnostics import diagnostics
from sapo_analysis.app.components.empty import empty
from sapo_analysis.app.components.freshness import new_points
from sapo_analysis.app.components.text import md
from sapo_analysis.app.data import Keys, all_runs, opened, runs_folders, version
from sapo_analysis.app.state import ANSWER, COMPARED, begin_link, check_link
from sapo_analysis.errors import InputError, RunError
from sapo_analysis.figures import trade_off_scatter
from sapo_analysis.store import DamagedRun, Run, is_shipped

QUESTION = "What does each method learn, and what does it keep?"


@dataclass(frozen=True)
class Sides:
    """What the page looks at: the chosen runs, what stands beside what, and the shipped runs."""

    keys: Keys
    runs: list[Run]
    found: Compared
    shipped: Keys


def page() -> None:
    """The whole page, in the order it is read."""
    begin_link()
    everything = all_runs()
    runs = {i: run for i, run in everything.items() if not _is_imported(run)}
    wanted = [i for name in (COMPARED, "run", "runs") for i in st.query_params.get_all(name)]
    header.absent_runs(st.query_params.get_all(COMPARED), everything)
    shipped = keys_of([r for r in runs.values() if is_shipped(r.path) and _is_done(r)])
    if not runs:
        st.subheader(QUESTION, anchor=False)
        _tabs(Sides((), [], Compared({}, "", ""), shipped))
        return
    chosen, beside_it, actions = _picker(runs, [i for i in wanted if i in runs])
    st.subheader(QUESTION, anchor=False)
    if any(isinstance(run, Run) for run in chosen):
        show_chosen(chosen, lambda keys: _compared(keys, shipped, beside_it, actions))
        return
    show_chosen(chosen, lambda keys: None)
    _tabs(Sides((), [], Compared({}, "", ""), shipped))


def _is_imported(run: Run | DamagedRun) -> bool:
    return isinstance(run, Run) and run.is_imported


def _is_done(run: Run | DamagedRun) -> bool:
    return isinstance(run, Run) and run.is_complete


def keys_of(runs: list[Run | DamagedRun]) -> Keys:
    """What cached answers about these runs hang on."""
    return tuple((str(run.path), version(run)) for run in runs if isinstance(run, Run))


def _picker(
    runs: dict[str, Run | DamagedRun], wanted: list[str]
) -> tuple[list[Run | DamagedRun], DeltaGenerator, DeltaGenerator]:
    """Choose runs, or a study that has several methods."""
    done = [run for run in runs.values() if _is_done(run)]
    families = compared.families(keys_of(done))
    first = list(families[0].run_ids) if families else [next(iter(runs))]
    with st.container(horizontal=True, vertical_alignment="center"):
        chosen = st.multiselect(
            "Runs",
            list(runs),
            default=None if COMPARED in st.session_state else (wanted or first)[: header.MOST_RUNS],
            key=COMPARED,
            help="Runs that differ in their methods alone are compared; sequence runs of one study"
            " in several orders are read as one.",
            placeholder="Choose a run",
            label_visibility="collapsed",
            bind="query-params",
            max_selections=header.MOST_RUNS,
            width=480,
        )
        beside_it = st.container(horizontal=True, vertical_alignment="center", width="content")
        st.space("stretch")
        actions = st.container(horizontal=True, width="content")
    with beside_it:
        _studies([one for one in families if set(one.run_ids) != set(chosen)])
    return [runs[run_id] for run_id in chosen if run_id in runs], beside_it, actions


def _studies(others: list[compared.Family]) -> None:
    """Studies of several methods, a click each."""
    if not others:
        return
    with st.popover(
        "Studies", icon=":material/balance:", help="Finished studies with several methods."
    ):
        for i, family in enumerate(others):
            st.button(
                md(family.words),
                key=f"methods-of-{i}",
                help=md(", ".join(family.run_ids)),
                type="tertiary",
                on_click=_choose,
                args=(list(family.run_ids)[: header.MOST_RUNS],),
            )


def _choose(run_ids: list[str]) -> None:
    st.session_state[COMPARED] = run_ids


def _compared(
    keys: Keys, shipped: Keys, beside_it: DeltaGenerator, actions: DeltaGenerator
) -> None:
    runs = opened(keys)
    found = compared.compared(keys)
    with beside_it:
        new_points(keys)
        header.random_weights(runs)
    with actions:
        header.copy_link(COMPARED, [run.run_id for run in runs])
    for run in runs:
        header.partial_note(run, named=len(runs) > 1)
    header.abouts(runs)
    if found.why_not:
        st.warning(md(f"{found.why_not} Nothing is pooled."), icon=":material/call_split:")
    else:
        models = dict.fromkeys(str(run.study.model) for run in runs)
        words = " · ".join(found.sides.values())
        st.caption(
            f"{md(', '.join(models))}: {md(words)}. Not causation, not other tasks or models."
        )
    _tabs(Sides(keys, runs, found, shipped))


def _methods(sides: Sides) -> None:
    methods_tab(sides.keys, sides.shipped)


def _against_plain(sides: Sides) -> None:
    def more() -> None:
        methods = {method for run in sides.runs for method in methods_of(run)}
        if sides.found.sides and len(methods) > 1:
            links.table_of(sides.runs, "Chosen runs for a paper", "comparison")

    against_plain_tab(sides.keys, all_keys(sides.keys, sides.shipped), more)


def _scores(sides: Sides) -> None:
    scores_tab(sides.keys, sides.runs, sides.found)


def _differences(sides: Sides) -> None:
    differences_tab(sides.keys, sides.runs, sides.found)


def _trade_off(sides: Sides) -> None:
    spec = trade_off_scatter(compared.trade_off(sides.keys), compared.steps(sides.keys))
    with st.container(horizontal=True, horizontal_alignment="right"):
        links.figures_of(sides.runs, "Export", "trade_off")
    charts.still(spec, "trade-off")
    st.caption(
        "Up and to the right is better: the tuned task is learned and the others are kept. Large"
        " points: the end of the fine-tunes; small points joined by a line: checkpoints from the"
        " start on, where the study looked along them, measured on fewer examples."
        + (f" {md(unequal)}" if (unequal := compared.steps(sides.keys)) else "")
    )


def _along(sides: Sides) -> None:
    diagnostics(sides.keys, sides.runs, with_shots=False)


def _outputs(sides: Sides) -> None:
    outputs_tab(sides.keys, sides.runs, sides.found)


def _published(sides: Sides) -> None:
    published_tab(sides.keys, sides.found)


TABS: dict[str, Callable[[Sides], None]] = {
    "Methods": _methods,
    "Against plain LoRA": _against_plain,
    "Scores": _scores,
    "Differences": _differences,
    "Trade-off": _trade_off,
    "Along the fine-tune": _along,
    "Outputs": _outputs,
    "As published": _published,
}
# In order; only the open one is drawn. (A bare text here would be shown on the page.)
WITHOUT_RUNS = ("Methods", "As published")
WITH_SHIPPED = ("Against plain LoRA",)


def _tabs(sides: Sides) -> None:
    check_link(ANSWER, list(TABS))
    places = st.tabs(list(TABS), key=ANSWER, bind="query-params")
    for place, (name, draw) in zip(places, TABS.items(), strict=True):
        if place.open:
            with place:
                _drawn(name, draw, sides)


def _drawn(name: str, draw: Callable[[Sides], None], sides: Sides) -> None:
    is_free = name in WITHOUT_RUNS or (name in WITH_SHIPPED and (sides.keys or sides.shipped))
    if not is_free and not sides.found.sides:
        if sides.keys:
            st.info("These runs cannot be compared: choose runs that differ in methods alone.")
        else:
            empty([str(folder) for folder in runs_folders()])
        return
    try:
        draw(sides)
    except RunError:
        raise
    except InputError as error:  # what this tab needs is not in these runs
        st.info(md(str(error)))


page()
