"""The launch form without its page: studies, problems with their setting, counts in words."""

import json

import pytest
import yaml

from sapo_analysis.analysis.next_study.expected import precision
from sapo_analysis.analysis.next_study.pilot import Pilot
from sapo_analysis.analysis.next_study.planning import outlook
from sapo_analysis.analysis.next_study.power import precision_of
from sapo_analysis.app.launching import (
    QUESTIONS,
    SECTIONS,
    SIZES,
    check,
    figures_of,
    of_race,
    of_run,
    of_size,
    run_command,
    same_study,
    settings_of,
    size_words,
    to_yaml,
)
from sapo_analysis.app.launching.choices import orders_of, strategies_of, tasks_by_role
from sapo_analysis.app.launching.figures import tasks_sentence
from sapo_analysis.app.launching.methods import (
    GROUPS,
    TRAINS,
    chosen_in,
    in_order,
    is_needed,
    one_task_methods,
    title,
)
from sapo_analysis.app.launching.start import fitting, flat, nested
from sapo_analysis.cli.options import read_study
from sapo_analysis.model_files import list_names
from sapo_analysis.plan import plan_of
from sapo_analysis.spec import (
    METHODS,
    ONE_TASK_METHODS,
    ParaphraseStudy,
    SequenceStudy,
    parse_study,
)

BOTH = [(kind, size) for kind in QUESTIONS for size in SIZES]


def checked(kind="paraphrase", size="quick", engine="stacked", **changes):
    changes = {name.replace("__", "."): value for name, value in changes.items()}
    return check(of_size(kind, size), changes, engine, list_names())


def problem(**changes):
    """Setting, part of the form and text of the only problem."""
    (found,) = checked(**changes).problems
    return found.field, found.part, found.text


@pytest.mark.parametrize(("kind", "size"), BOTH)
def test_every_size_is_a_study_whose_settings_make_it_again(kind, size):
    start = of_size(kind, size)
    found = check(start, {}, "stacked", list_names())
    assert found.problems == () and found.study.kind == kind
    assert flat(found.study) == start.settings
    assert parse_study(nested(start.settings), "again") == found.study
    assert start.changed({"name": "other"}) == []
    assert start.changed({"training.steps": 7, "seeds": start.settings["seeds"]}) == [
        "training.steps"
    ]


def test_what_a_size_means_is_read_off_its_preset():
    assert size_words("paraphrase", "quick") == (
        "3 current tasks, 6 paraphrases, 1 seed, no noise seeds: no verdict"
    )
    assert "20 paraphrases, 3 seeds, 8 noise seeds on two prompts" in size_words(
        "paraphrase", "paper"
    )
    assert size_words("sequence", "quick").endswith("no verdict")
    assert "verdict" not in size_words("sequence", "pilot")


@pytest.mark.parametrize(("kind", "size"), [("paraphrase", "pilot"), ("sequence", "paper")])
def test_the_downloaded_yaml_is_an_equal_study(tmp_path, kind, size):
    text = "Sort: {it} 'now' # no comment\n- a: b\n\"x\" \\ ü\u2028 !!python/object:os.system"
    task = "sentiment"
    study = checked(
        kind,
        size,
        own_prompts={task: [text, "Second"]},
        name="mine-2",
        training__steps=55,
        training__learning_rate=0.0007,
        prompts={"seen": 3, "novel": 2},
    ).study
    path = tmp_path / f"{study.name}.yaml"
    path.write_text(to_yaml(study), encoding="utf-8")
    assert read_study(str(path), []) == study
    assert yaml.safe_load(to_yaml(study))["own_prompts"][task][0] == text


def test_the_command_runs_that_file():
    study = checked().study
    assert run_command(study, "stacked") == "sapo run quick.yaml"
    assert (
        run_command(study, "plain", "run; rm -rf x", mixed=True)
        == "sapo run quick.yaml --engine plain --reuse 'run; rm -rf x' --allow-mixed"
    )


@pytest.mark.parametrize(
    ("changes", "field", "part", "says"),
    [
        ({"name": ""}, "name", "plan", "a-z, 0-9, hyphen; at most 40"),
        ({"name": "../../etc/passwd"}, "name", "plan", "'../../etc/passwd'"),
        ({"name": "a/b"}, "name", "plan", "'a/b'"),
        ({"name": "x" * 300}, "name", "plan", "at most 40"),
        ({"name": "größe"}, "name", "plan", "'größe'"),
        ({"name": "a: [b]\n!!x"}, "name", "plan", "at most 40"),
        ({"training__steps": -3}, "training.steps", "advanced", "greater than 0 (got -3)"),
        (
            {"training__examples": 10**9},
            "training.examples",
            "advanced",
            "600 train examples, 1000000000 were asked for. Ask for at most 600",
        ),
        (
            {"scoring__examples": 601},
            "scoring.examples",
            "advanced",
            "600 train examples, 601 were asked for",
        ),
        ({"evaluation__examples": 10**6}, "evaluation.examples", "advanced", "test examples"),
        ({"training__learning_rate": "abc"}, "training.learning_rate", "advanced", "'abc'"),
        ({"training__learning_rate": float("inf")}, "training.learning_rate", "advanced", "finite"),
        ({"training__learning_rate": float("nan")}, "training.learning_rate", "advanced", "finite"),
        ({"training__batch_size": 0}, "training.batch_size", "advanced", "greater than 0"),
        ({"training__warmup_steps": 99}, "training", "advanced", "warmup_steps is 99"),
        ({"seeds": [1, 1]}, "seeds", "advanced", "number twice: [1, 1]"),
        ({"seeds": []}, "seeds", "advanced", "at least 1"),
        ({"seeds": [2**31]}, "seeds.0", "advanced", "less than 2147483648"),
        ({"seeds": ["one"]}, "seeds.0", "advanced", "valid integer (got 'one')"),
        ({"noise_seeds": [0]}, "noise_seeds", "advanced", "seeds and noise_seeds"),
        ({"state_seeds": [1, 2]}, "state_seeds", "advanced", "2 numbers for 1 seeds"),
        ({"noise_prompts": ["nope"], "noise_seeds": [9]}, "noise_prompts", "advanced", "'nope'"),
        ({"evaluation__checkpoints": [60]}, "evaluation.checkpoints", "advanced", "[60]"),
        ({"prompts": 99}, "prompts", "prompts", "20 are offered"),
        ({"prompts": -1}, "prompts", "prompts", "-1"),
        ({"prompts": 0}, "prompts", "prompts", "original prompt alone"),
        ({"prompts": {"seen": 13}}, "prompts", "prompts", "12 are offered"),
        ({"prompts": {"elsewhere": 1}}, "prompts", "prompts", "'elsewhere'"),
        ({"prompts": ["job-01", "job-01"]}, "prompts", "prompts", "twice"),
        ({"own_prompts": {"job": [" "]}}, "prompts", "prompts", "is empty"),
        ({"own_prompts": {"add": ["x"]}}, "own_prompts", "prompts", "not a current task"),
        ({"current": []}, "current", "tasks", "at least 1"),
        ({"current": ["nope"]}, "current", "tasks", "Unknown task 'nope'"),
        ({"past": ["job"]}, "current", "tasks", "both past and current"),
        ({"unseen": ["rate", "rate"]}, "current", "tasks", "twice in unseen"),
        (
            {"past": [], "unseen": [], "retained": [], "current": ["job"]},
            "current",
            "tasks",
            "at least one task beside",
        ),
        ({"model": "/etc"}, "model", "model", "command line alone"),
        ({"model": "../pocket"}, "model", "model", "'../pocket' is not among the models"),
        ({"dtype": "float16"}, "dtype", "advanced", "'float16'"),
        (
            {"method": "ewc"},
            "method",
            "prompts",
            "strategies: [original+ewc]; or one of lora, full",
        ),
        ({"method": "full", "dtype": "bfloat16"}, "method", "prompts", "dtype to float32"),
        (
            {"method": "promot", "promot__update": "full", "dtype": "bfloat16"},
            "method",
            "prompts",
            "'promot' trains all weights",
        ),
        (
            {"method": "promot", "evaluation__checkpoints": [5]},
            "evaluation.checkpoints",
            "advanced",
            "promot has stages. Set diagnostics.every",
        ),
        (
            {"method": "ia3", "soft_prompt__virtual_tokens": 0},
            "soft_prompt.virtual_tokens",
            "advanced",
            "greater than 0",
        ),
        (
            {"ia3__learning_rate": -1.0},
            "ia3.learning_rate",
            "advanced",
            "greater than 0 (got -1.0)",
        ),
        ({"evaluation__n_shots": [1]}, "evaluation.n_shots", "advanced", "begin with 0"),
    ],
)
def test_a_wrong_setting_is_named_with_value_and_what_is_allowed(changes, field, part, says):
    found_field, found_part, text = problem(**changes)
    assert (found_field, found_part) == (field, part)
    assert says in text


@pytest.mark.parametrize(
    ("changes", "field", "says"),
    [
        ({"orders": [["job"]]}, "orders", "at least two"),
        ({"orders": [[]]}, "orders", "at least two"),
        ({"orders": [["job", "job"]]}, "orders", "twice"),
        ({"orders": [["job", "nope"]]}, "orders", "Unknown task 'nope'"),
        ({"orders": [["job", "add"], ["add", "rate"]]}, "orders", "other tasks"),
        ({"strategies": []}, "strategies", "at least 1"),
        ({"strategies": ["sapo", "sapo+lora"]}, "strategies", "there twice"),
        ({"strategies": ["magic"]}, "strategies", "'magic'"),
        ({"strategies": ["sapo+full"], "dtype": "bfloat16"}, "strategies", "bfloat16"),
        ({"evaluation__test_only_prompts": 9}, "evaluation.test_only_prompts", "has 4"),
        ({"evaluation__final_examples": 5}, "evaluation", "final_examples is 5"),
        ({"replay__ratio": 0.001}, "replay.ratio", "less than half a row"),
        ({"prompts": 0}, "prompts", "no candidates"),
    ],
)
def test_a_wrong_setting_of_a_sequence_is_named(changes, field, says):
    found, _, text = problem(kind="sequence", **changes)
    assert found == field
    assert says in text


def test_all_mistakes_that_can_be_seen_at_once_are_listed():
    found = checked(model="/etc", seeds=["x"], training__steps=0).problems
    assert [p.field for p in found] == ["model", "training.steps", "seeds.0"] or {
        p.field for p in found
    } == {"model", "training.steps", "seeds.0"}


def test_counts_are_those_of_the_plan():
    found = checked(size="pilot")
    figures = figures_of(found.plan)
    assert figures.n_units == len(found.plan.trials) == 186
    assert figures.sum == (
        "186 trials = 6 tasks × 13 prompts × 1 seed + 96 noise + 12 repeated for rounding"
    )
    assert figures.button == "Launch 186 trials"
    race = figures_of(checked("sequence", "pilot").plan)
    assert race.sum.startswith("175 fine-tunes = 5 orders × 7 strategies × 1 seed × 5 tasks")
    one = figures_of(checked(current=["job"], prompts=1, own_prompts={}).plan)
    assert one.sum == "2 trials = 1 task × 2 prompts × 1 seed"


def test_trials_taken_over_are_not_counted_again():
    plan = checked(size="quick").plan
    taken = frozenset(trial.trial_id for trial in plan.trials[:15])
    figures = figures_of(plan, taken)
    assert figures.button == "Launch 6 trials"
    assert figures.sum == "6 new, 15 reused; 21 trials = 3 tasks × 7 prompts × 1 seed"
    assert figures.rows.trained < figures_of(plan).rows.trained


def test_uneven_numbers_of_prompts_are_said_as_a_sum():
    plan = checked(own_prompts={"job": ["One more wording"]}).plan
    assert figures_of(plan).sum == "22 trials = 22 prompts of 3 tasks × 1 seed"


def test_what_can_be_shown_follows_from_the_plan():
    quick = figures_of(checked().plan)
    assert precision_of([7, 7, 7]) == pytest.approx(0.513, abs=0.001)
    assert "r for these tasks to about ±0.51" in quick.shows
    assert "what the seed alone does, other tasks" in quick.shows
    assert quick.tasks.startswith("3 current tasks: speaks about these tasks only. 8 would give")
    pilot = figures_of(checked(size="pilot").plan)
    assert "Cannot show: other models." in pilot.shows
    assert pilot.tasks == "6 current tasks: at best 80 % power for new tasks at r = 0.42."
    few = figures_of(checked(prompts=2).plan)
    assert "that takes four prompts" in few.shows and "no correlation" in few.tasks
    alone = figures_of(checked(current=["job"], past=[], unseen=[]).plan)
    assert "forgetting of past tasks, generalization" in alone.shows
    assert "no verdict" in figures_of(checked(model="pocket-random").plan).shows
    assert "3 orders or more" in figures_of(checked("sequence").plan).shows
    assert "over 5 orders" in figures_of(checked("sequence", "pilot").plan).shows


def test_tasks_without_a_correlation_are_no_tasks_to_generalise_from():
    assert tasks_sentence([13] * 4).startswith("4 current tasks: at best 80 % power")
    assert "about these tasks only" in tasks_sentence([13, 13, 13, 2])


def test_what_new_tasks_would_take_is_said_on_assumptions_or_on_a_pilot():
    quick = figures_of(checked().plan)
    assert quick.outlook == outlook([7, 7, 7], 1)
    assert "(assumed): ±0.20 takes" in quick.outlook  # three tasks speak of no others
    assert "taken to be 0.30" in quick.outlook_on and "of two tasks" in quick.outlook_on
    plan = checked(size="pilot", seeds=[0, 1]).plan
    pilot = Pilot(effect=0.6, tau=0.5, share=0.4, share_x=1.0, source="pilot of 4 tasks")
    known = figures_of(plan, pilot=pilot)
    gives = precision(pilot, 6, 13, 2)
    assert f"as in the pilot: r to about ±{gives.new_tasks:.2f}," in known.outlook
    assert f"{100 * gives.power:.0f} % power at the pilot's r." in known.outlook
    assert known.outlook_on == pilot.in_words
    assert figures_of(checked(size="pilot").plan).outlook != known.outlook


def test_nothing_is_said_of_new_tasks_where_nothing_can_be():
    for found in (checked(model="pocket-random"), checked("sequence"), checked(prompts=2)):
        figures = figures_of(found.plan, pilot=Pilot(effect=0.5, tau=0.1))
        assert figures.outlook == figures.outlook_on == ""


def test_time_is_rows_times_measured_speeds():
    figures = figures_of(checked().plan)
    speeds = dict.fromkeys(figures.rows._fields, 0.0) | {"trained": 0.01}
    answer = {"seconds_per_row": speeds, "margin": 0.3, "memory_bytes": 5e8}
    text, first = figures.costs(answer)
    # 21 trials and the past task, 50 steps of 16 rows each.
    assert 22 * 50 * 16 * 0.01 == 176
    assert text == "about 2 min 56 s (±30 %) · peak 500 MB · 750 kB on disk"
    assert first == "First readable result in 1 min 4 s."


def test_roles_keep_the_turn_of_past_tasks():
    before = {"current": ["job"], "past": ["young", "colour"], "unseen": [], "retained": []}
    chosen = {"add": "past", "colour": "past", "job": "off", "young": "past", "rate": "current"}
    assert tasks_by_role(before, chosen) == {
        "current": ["rate"],
        "past": ["young", "colour", "add"],
        "unseen": [],
        "retained": [],
    }


def test_orders_from_elsewhere_stay_until_they_are_changed():
    own = [["a", "b", "c"], ["a", "c", "b"]]
    assert orders_of(own, ["a", "b", "c"], 2) == own
    assert orders_of(own, ["a", "b", "c"], 3) == [["a", "b", "c"], ["b", "c", "a"], ["c", "a", "b"]]
    assert orders_of(own, ["a", "b", "c"], 99) == orders_of(own, ["a", "b", "c"], 3)
    assert orders_of(own, [], 2) == [[]]


def test_orders_of_a_race_turn_only_what_it_is_about():
    race = [["p", "a", "b", "u"], ["p", "b", "a", "u"]]
    assert orders_of(race, ["p", "b", "a", "u"], 2, ("p", "u")) == race[::-1]
    longer = orders_of(race, ["p", "a", "b", "c", "u"], 9, ("p", "u"))
    assert longer == [["p", *turned, "u"] for turned in ("abc", "bca", "cab")]
    assert orders_of(race, ["p", "u"], 3, ("p", "u")) == [["p", "u"]]


def test_strategies_are_crossed_with_what_is_new_alone():
    pairs = ["original", "sapo", "sapo+o-lora"]
    assert strategies_of(pairs, ["original", "sapo"], ["lora", "o-lora"]) == pairs
    assert strategies_of(pairs, ["sapo"], ["lora", "o-lora"]) == ["sapo", "sapo+o-lora"]
    assert strategies_of(pairs, ["original", "sapo", "random"], ["lora", "o-lora"]) == [
        *pairs,
        "random",
        "random+o-lora",
    ]
    assert strategies_of(pairs, [], []) == []


def test_every_method_is_in_one_group_with_what_it_trains():
    assert sorted(m for own in GROUPS.values() for m in own) == sorted(METHODS)
    assert set(TRAINS) == set(METHODS)
    assert set(one_task_methods()) == set(ONE_TASK_METHODS)
    assert [title(m) for m in ("lora", "full", "p-tuning", "promot-1-shot")] == [
        "LoRA",
        "Full fine-tuning (full)",
        "P-tuning",
        "ProMoT + 1-shot (promot-1-shot)",
    ]
    assert in_order({"promot", "lora", ""}) == ["lora", "promot"]


@pytest.mark.parametrize(
    ("method", "update", "sections"),
    [
        ("lora", "lora", ""),
        ("ia3", "lora", "ia3"),
        ("full", "lora", "full"),
        ("prefix-tuning", "full", "soft_prompt"),
        ("promot", "lora", "soft_prompt promot"),
        ("promot", "full", "soft_prompt promot full"),
        ("promot-lora-first", "lora", "promot"),
        ("multi-task", "full", ""),
    ],
)
def test_settings_of_a_method_are_shown_where_it_is_chosen(method, update, sections):
    chosen = chosen_in("sequence", None, ["original", f"paft+{method}", "no+such"])
    assert chosen == {"original", "lora", "paft", method}
    shown = {name for name in SECTIONS if is_needed(name, chosen_in("", method, ()), update)}
    of_methods = {"paft", "o_lora", "ewc", "replay", "full", "ia3", "soft_prompt", "promot"}
    assert shown & of_methods == set(sections.split())
    assert shown >= {"", "lora", "training", "evaluation", "diagnostics"}
    steps = is_needed("promot.steps", chosen, update)
    assert steps == (method in ("promot", "promot-lora-first"))
    assert is_needed("soft_prompt.init", chosen, update) == (method in ("prefix-tuning", "promot"))
    assert is_needed("paft", chosen, update) and not is_needed("o_lora", chosen, update)


def test_a_study_of_a_method_goes_into_the_downloaded_yaml(tmp_path):
    study = checked(
        method="promot",
        soft_prompt__init_text="7",
        soft_prompt__virtual_tokens=9,
        promot__update="full",
        diagnostics__every=5,
        evaluation__n_shots=[0, 1],
    ).study
    path = tmp_path / "mine.yaml"
    path.write_text(to_yaml(study), encoding="utf-8")
    again = read_study(str(path), [])
    assert again == study and again.soft_prompt.init_text == "7"
    assert (again.promot.update, again.diagnostics.every) == ("full", 5)


@pytest.mark.parametrize("kind", ["paraphrase", "sequence"])
def test_every_setting_has_a_place_a_label_and_help(kind):
    from sapo_analysis.app.launching.advanced import PLACED

    start = of_size(kind, "pilot")
    shown = settings_of(kind)
    assert {s.name for s in shown} | PLACED >= set(start.settings)
    for setting in shown:
        assert setting.label and f"In a spec: {setting.name}." in setting.help
        value = start.settings[setting.name]
        assert setting.fits(value)
        if setting.widget == "text":
            assert setting.from_text(setting.to_text(value)) == value


def test_units_and_choices_come_from_the_spec():
    found = {setting.name: setting for setting in settings_of("paraphrase")}
    assert found["training.learning_rate"].title == "learning rate (1/step)"
    assert found["training.steps"].widget == "whole"
    assert found["training.schedule"].choices == ("constant", "linear", "cosine")
    assert found["seeds"].from_text("0, 1,2,") == [0, 1, 2]
    assert found["seeds"].from_text("0, x") == [0, "x"]
    assert found["state_seeds"].from_text(" ") is None
    assert found["lora.target_modules"].from_text("all-linear") == "all-linear"
    assert found["lora.target_modules"].from_text("q_proj, v_proj") == ["q_proj", "v_proj"]
    assert found["training.learning_rate"].from_text("3e-4") == 3e-4
    assert {s.name: s.widget for s in settings_of("sequence")}["scoring.early_stop"] == "switch"
    assert found["soft_prompt.init_text"].from_text(" 7 ") == "7"
    assert found["soft_prompt.init_text"].from_text(" ") is None
    assert found["evaluation.n_shots"].from_text("0, 1") == [0, 1]
    assert found["promot.update"].choices == ("lora", "full")
    assert found["inputs.too_long"].choices == ("refuse", "cut", "drop")
    memory = found["memory.max_memory"]
    assert memory.from_text(" ") is None and memory.fits({"0": "20GiB"})
    table = {"0": "20GiB", "cpu": "60GiB"}
    assert memory.from_text("0: 20GiB, cpu: 60GiB") == table
    assert memory.to_text(table) == "0: 20GiB, cpu: 60GiB" and memory.from_text("much") == "much"


def test_a_run_fills_the_form_with_its_spec():
    study = ParaphraseStudy(past=["colour"], current=["job"], prompts=3, seeds=[4])
    start = of_run("job-00000000", study)
    assert check(start, {}, "stacked", list_names()).study == study
    assert start.label == "job-00000000"


def test_a_race_says_what_it_takes_over():
    study = ParaphraseStudy(
        past=["colour"],
        current=["job", "sentiment"],
        retained=["first_word"],
        prompts=3,
        seeds=[4, 5],
        data_seed=7,
        training={"steps": 20},
        noise_seeds=[9],
    )
    start = of_race("job-00000000", study)
    race = check(start, {}, "stacked", list_names()).study
    assert isinstance(race, SequenceStudy)
    assert (race.data_seed, race.seeds, race.training) == (7, (4, 5), study.training)
    assert set(race.tasks) == {"colour", "job", "sentiment"}
    assert all(order[0] == "colour" for order in race.orders) and start.fixed == ("colour",)
    said = " ".join(start.notes)
    assert "Carried over" in said and "first_word" in said and "Noise seeds" in said


def test_equal_work_under_another_name_is_the_same_study():
    one = checked().study
    assert same_study(one, checked(name="other").study)
    assert not same_study(one, checked(seeds=[1]).study)
    assert not same_study(one, checked("sequence").study)
    assert not same_study(one, None)


def test_of_a_draft_only_what_can_be_shown_is_taken_over():
    start = of_size("paraphrase", "quick")
    changes = {
        "training.steps": -3,  # wrong, but it can be shown
        "training.batch_size": "many",
        "training.schedule": "sideways",
        "current": ["job"],
        "past": "job",
        "prompts": {"seen": "x"},
        "own_prompts": ["x"],
        "rotate": 1,
        "name": 7,
        "kind": "sequence",
        "os.system": "x",
        "method": "ewc",
        "promot.stage_1_from": "/etc",
        "seeds": [0, {"a": 1}],
    }
    assert fitting(start, {"method": "ia3"}, ()) == ({"method": "ia3"}, "")
    kept, left = fitting(start, changes, settings_of("paraphrase"))
    assert kept == {"training.steps": -3, "current": ["job"]}
    assert "training.batch_size" in left and "own_prompts" in left
    json.dumps(kept)


def test_the_plan_of_the_form_is_the_plan_of_the_study():
    found = checked(size="quick", engine="plain")
    assert found.plan.engine == "plain" and found.plan.chunk == 1
    assert found.plan.units == plan_of(found.study, "plain").units
