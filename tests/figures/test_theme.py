import tomllib
from pathlib import Path

from sapo_analysis.figures import theme

ROOT = Path(__file__).resolve().parents[2]


def test_streamlit_and_matplotlib_share_one_list_of_colours():
    config = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text("utf-8"))
    assert tuple(config["theme"]["chartCategoricalColors"]) == theme.CATEGORICAL
    assert {"light", "dark"} <= set(config["theme"])
    beside = ROOT / "app" / ".streamlit" / "config.toml"
    assert beside.read_text("utf-8") == (ROOT / ".streamlit" / "config.toml").read_text("utf-8")


def test_more_than_eight_groups_are_grey_and_the_chosen_one_coloured():
    groups = [f"task-{i}" for i in range(9)]
    colors = theme.colors(groups, "task-3")
    assert colors.pop("task-3") == theme.BLUE
    assert set(colors.values()) == {theme.GREY}
