"""The benchmark `tests.calibration` simulates what it says; its page says what it counted."""

import math

import numpy as np
import pytest
from scipy.stats import spearmanr

from sapo_analysis.analysis import within_task_correlation
from sapo_analysis.analysis.claims import claims
from sapo_analysis.analysis.estimate import SCOPES
from sapo_analysis.analysis.levels.correlation import STATISTICS
from sapo_analysis.analysis.noise.across_seeds import across_seeds
from tests.calibration import __main__ as benchmark
from tests.calibration import page as written
from tests.calibration.cells import (
    CELLS,
    N_TABLES,
    NULL,
    PAIRS,
    PARTS,
    PROMISED,
    SHARES,
    SMALL,
    TAILS,
    VERDICTS,
)
from tests.calibration.coverage import MEAN_R, SCALES, Coverage, expected, spearman
from tests.calibration.nested import (
    SAME_FORM,
    SHARE,
    Design,
    Population,
    frame,
    generator,
    nested,
)
from tests.calibration.permutations import unrelated
from tests.calibration.results import N_FIRST, append, read, run
from tests.calibration.seed_noise import OF_NOISE, OWN, SHARE_X, SeedNoise
from tests.calibration.verdicts import ALONE, Claim2, Claims13

LARGE = Design(6, 40_000)
RESULTS = read()


@pytest.fixture(scope="module")
def large():
    """Six tasks of so many prompts that their truth can be read off."""
    return nested(LARGE, Population(0.4, 0.65), np.random.default_rng(0), n_forms=2)


def z_over_prompts(x, y):
    return [math.atanh(np.corrcoef(a, b)[0, 1]) for a, b in zip(x, y, strict=True)]


def test_of_seed_averaged_values_z_is_the_truth_in_both_forms(large):
    x, y = large.x.mean(axis=-1), large.y.mean(axis=-1)
    for form in y:
        assert z_over_prompts(x, form) == pytest.approx(large.z, abs=0.02)
        assert form.std(axis=-1) == pytest.approx(np.ones(6), abs=0.02)
    ranked = [math.atanh(spearmanr(a, b).statistic) for a, b in zip(x, y[0], strict=True)]
    assert ranked == pytest.approx(spearman(large.z), abs=0.03)


def test_a_trial_owes_half_its_variance_to_its_seed_or_less_where_r_is_large(large):
    reliability = []
    for task in range(6):
        found = across_seeds(large.y[:, task])
        reliability.append(found.prompt[0, 0] / found.observed[0, 0])
    r = np.abs(np.tanh(large.z))
    share = 3 * SHARE / (3 * SHARE + 1 - SHARE)
    assert reliability == pytest.approx(np.maximum(share, r), abs=0.02)


def test_forms_share_what_the_indicator_does_not_tell(large):
    score, loss = large.y.mean(axis=-1)
    r = np.tanh(large.z)
    found = [np.corrcoef(a, b)[0, 1] for a, b in zip(score, loss, strict=True)]
    assert found == pytest.approx(r**2 + SAME_FORM * (1 - r**2), abs=0.02)


def test_heavy_tails_have_the_same_correlations_and_more_extreme_values():
    values = nested(LARGE, Population(0.4, 0.3), np.random.default_rng(1), tails=8)
    x, y = values.x.mean(axis=-1), values.y[0].mean(axis=-1)
    assert z_over_prompts(x, y) == pytest.approx(values.z, abs=0.03)
    assert y.std(axis=-1) == pytest.approx(np.ones(6), abs=0.03)
    ours = ((y - y.mean(axis=1, keepdims=True)) ** 4).mean()
    assert ours == pytest.approx(3 + 6 / (8 - 4), abs=0.5)


def test_tasks_come_from_their_population():
    z = Population(0.4, 0.65).draw(100_000, np.random.default_rng(0))
    assert (z.mean(), z.std()) == pytest.approx((0.4, 0.65), abs=0.01)
    for scale in SCALES.values():
        assert expected(scale, Population(0.4, 0.65)) == pytest.approx(scale(z).mean(), abs=0.01)
    assert math.tanh(Coverage(Design(4, 12), 0.3).population.mean) == pytest.approx(MEAN_R)


def test_without_effect_tasks_lie_apart_and_prompts_do_nothing():
    x, y = unrelated(Design(60, 400), np.random.default_rng(0))
    x, y = x.mean(axis=-1), y.mean(axis=-1)
    assert np.mean(z_over_prompts(x, y)) == pytest.approx(0, abs=0.03)
    assert np.corrcoef(x.ravel(), y.ravel())[0, 1] > 0.7
    assert x.std(axis=1).max() / x.std(axis=1).min() > 2


def test_impacts_on_two_tasks_have_the_correlations_that_are_said():
    cell = Claim2(Design(1, 20_000), 4, effect=0.3, noise=0.2)
    df = cell.table(0)
    assert set(df["role"]) == {"unseen"} and (df["impact"] == df["generalization"]).all()
    values = np.moveaxis(df["impact"].to_numpy().reshape(20_000, 3, 4), 2, 0)
    found = across_seeds(values)
    pairs = np.triu_indices(4, k=1)
    for covariance, r in ((found.observed, cell.observed), (found.prompt, 0.3), (found.seed, 0.2)):
        sd = np.sqrt(np.diag(covariance))
        assert (covariance / np.outer(sd, sd))[pairs] == pytest.approx(np.full(6, r), abs=0.03)
    single = found.prompt[0, 0] / (found.prompt[0, 0] + 3 * found.seed[0, 0])
    assert single == pytest.approx(ALONE, abs=0.02)


def test_spreads_and_correlations_of_a_trial_are_those_that_are_said():
    cell = Claims13(Design(3, 20_000), effect=0.5, tau=0.3)
    df, truths = cell.table(0)
    kept = ["pre_update_loss", "impact", "score_after", "impact_loss", "loss_after", "forgetting"]
    means = df.groupby(["current_task", "prompt_id"], observed=True)[kept].mean()
    spread = means.groupby("current_task", observed=True).std()
    for impact, after in (("impact", "score_after"), ("impact_loss", "loss_after")):
        assert list(np.log(spread[impact] / spread[after])) == pytest.approx(
            truths["claim_1"], abs=0.03
        )
    each = [own for _, own in means.groupby("current_task", observed=True)]
    found = z_over_prompts(
        *zip(*((o["pre_update_loss"], o["forgetting"]) for o in each), strict=True)
    )
    assert found == pytest.approx(truths["claim_3_forgetting_past"], abs=0.03)


def test_seed_noise_has_the_shares_and_correlations_that_are_said():
    cell = SeedNoise(Design(6, 20_000), share=0.5)
    df, shares, spreads = cell.table(0)
    assert np.abs(shares - 0.5).max() < 0.15
    x, y = (df[name].to_numpy().reshape(6, -1, 3) for name in ("pre_update_loss", "forgetting"))
    own = []
    for task, (share, spread) in enumerate(zip(shares, spreads, strict=True)):
        found = across_seeds(np.stack([x[task], y[task]]))
        trial = found.prompt + 3 * found.seed
        assert found.prompt[0, 0] / trial[0, 0] == pytest.approx(SHARE_X, abs=0.02)
        assert found.prompt[1, 1] / trial[1, 1] == pytest.approx(share, abs=0.02)
        assert math.sqrt(trial[1, 1]) == pytest.approx(spread, rel=0.02)
        sd = np.sqrt(np.diag(found.seed))
        assert found.seed[0, 1] / sd.prod() == pytest.approx(OF_NOISE, abs=0.02)
        own.append(found.prompt[0, 1] / np.sqrt(np.diag(found.prompt).prod()))
    assert np.abs(np.arctanh(own) - OWN.mean).max() < 4 * OWN.sd


def test_the_corrected_correlation_is_that_of_many_tasks_without_noise():
    cell = SeedNoise(Design(1, 1), share=0.2)
    rng = np.random.default_rng(0)
    r = np.tanh(OWN.draw(200_000, rng))
    reliable = cell.reliability(cell.share + rng.uniform(-0.15, 0.15, len(r)))
    by_hand = np.mean(r * np.sqrt(reliable)) / math.sqrt(np.mean(reliable))
    assert cell.corrected == pytest.approx(by_hand, abs=0.003)


def test_coverage_judges_what_the_package_says():
    cell = PROMISED[4]
    df = frame(cell.design, nested(cell.design, cell.population, generator(cell.name, 3)))
    found = cell.measure(3)
    for statistic in STATISTICS:
        for scope in SCOPES:
            e = within_task_correlation(df, scope=scope, statistic=statistic, n_permutations=0)
            name = f"{statistic}/{scope}"
            assert found[f"{name}/covered"][1] == e.lower
            assert found[f"{name}/too low"][1] == e.upper


ONE_OF_EACH = (
    PROMISED[0],
    NULL[0],
    VERDICTS[4],
    PAIRS[-1],
    SMALL[2],
    TAILS[0],
    SHARES[0],
    PARTS[3],
)


@pytest.mark.parametrize("cell", ONE_OF_EACH, ids=lambda cell: f"{cell.part} {cell.name}")
def test_the_first_tables_say_again_what_was_written_down(cell):
    stored = RESULTS[cell.part, cell.name]
    again = {count.measure: count for count in run(cell, N_FIRST)}
    assert again.keys() == stored.keys()
    for name, count in again.items():
        assert count.count == count.first == stored[name].first
        assert count.value == pytest.approx(stored[name].value, abs=2e-6)


def test_no_table_depends_on_those_before_it():
    cell = Coverage(Design(4, 12), 0.3)
    assert cell.measure(7) == cell.measure(7)
    assert cell.measure(7) != cell.measure(8)
    assert cell.measure(7) != Coverage(Design(4, 12), 0.3001).measure(7)


def test_every_cell_is_there_once_with_all_its_tables():
    names = [(cell.part, cell.name) for cell in CELLS]
    assert len(set(names)) == len(names)
    assert RESULTS.keys() == set(names)
    assert N_TABLES >= 2000
    for counts in RESULTS.values():
        assert {count.tables for count in counts.values()} == {N_TABLES}
    wanted = {(k, n, tau) for k in (4, 6, 12) for n in (12, 24) for tau in (0.0, 0.3, 0.65)}
    assert wanted == {(c.design.tasks, c.design.prompts, c.tau) for c in PROMISED}
    assert {c.design.seeds for c in PROMISED} == {3}


def test_the_page_says_what_was_counted():
    assert written.PATH.read_text(encoding="utf-8") == written.page(RESULTS)


def test_what_does_not_keep_its_promise_is_listed():
    for cell in PROMISED:
        for name, count in RESULTS[cell.part, cell.name].items():
            if name.endswith("/covered") and not 92 <= count.rate <= 98:
                assert f"{cell.name}: {count} %" in written.page(RESULTS)
    for cell in NULL:
        for name in written.TESTS:
            count = RESULTS[cell.part, cell.name][name]
            if not 3 <= count.rate <= 7:
                assert f"{name}, {cell.name}: {count} %" in written.page(RESULTS)


@pytest.mark.parametrize("cell", SMALL, ids=lambda cell: cell.name)
def test_of_small_designs_no_verdict_is_given_where_the_page_says_so(cell):
    one = Claims13(cell.design, 0.9, 0.0)
    said = {(v.scope, v.verdict) for v in claims(one.table(0)[0], n_permutations=0)}
    expected_of = written.withheld(cell)
    assert (("new_tasks", "too few") in said) == ("too few" in expected_of)
    assert (("these_tasks", "supported") not in said) == ("unclear" in expected_of)


def test_finished_cells_are_written_at_once_and_not_made_again(tmp_path, monkeypatch, capsys):
    path, to = tmp_path / "results.csv", tmp_path / "page.md"
    counts = run(Coverage(Design(4, 12), 0.0), 3, "here")
    append(counts[:2], path)
    append(counts[2:], path)
    (found,) = read(path).values()
    assert list(found.values()) == counts
    assert not read(tmp_path / "none.csv")

    def never(*_):
        raise AssertionError("a finished cell was made again")

    monkeypatch.setattr(benchmark, "run", never)
    monkeypatch.setattr(written, "PATH", to)
    benchmark.main([])
    assert to.read_text(encoding="utf-8") == written.page(RESULTS)
    assert capsys.readouterr().out == f"{to}\n"


def test_a_rate_stands_with_its_error():
    count = run(Coverage(Design(4, 12), 0.0), 3)[0]
    from dataclasses import replace

    assert str(replace(count, count=1900, tables=2000)) == "95.0 ± 0.5"
    assert replace(count, count=1900, tables=2000).error == pytest.approx(
        100 * math.sqrt(0.95 * 0.05 / 2000)
    )
