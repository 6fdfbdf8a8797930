import re
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


def test_colours_are_written_down_in_the_theme_alone():
    literal = re.compile(r"""["']#[0-9A-Fa-f]{3,8}["']|rgba?\(\d""")
    folder = ROOT / "sapo_analysis" / "figures"
    elsewhere = {
        path.name: found
        for path in folder.rglob("*.py")
        if path.name != "theme.py" and (found := literal.findall(path.read_text("utf-8")))
    }
    assert not elsewhere


def test_more_than_eight_groups_are_grey_and_the_chosen_one_coloured():
    groups = [f"task-{i}" for i in range(9)]
    colors = theme.colors(groups, "task-3")
    assert colors.pop("task-3") == theme.BLUE
    assert set(colors.values()) == {theme.FADED}
    assert set(theme.colors(groups).values()) == {theme.GREY}


def brightness(color):
    """Relative luminance of a `#RRGGBB`, 0 to 1, as WCAG 2 defines it."""
    parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (
        (p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4) for p in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one, other):
    low, high = sorted((brightness(one), brightness(other)))
    return (high + 0.05) / (low + 0.05)


def mixed(front, back, share):
    pairs = [(int(front[i : i + 2], 16), int(back[i : i + 2], 16)) for i in (1, 3, 5)]
    return "#" + "".join(f"{round(share * f + (1 - share) * b):02X}" for f, b in pairs)


def test_small_words_can_be_read_in_both_themes():
    config = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text("utf-8"))
    for name in ("light", "dark"):
        own = config["theme"][name]
        for back in ("backgroundColor", "secondaryBackgroundColor"):
            caption = mixed(own["textColor"], own[back], 0.6)  # as Streamlit fades it
            assert contrast(caption, own[back]) >= 4.5, (name, back)
    assert contrast(theme.GREY, config["theme"]["light"]["backgroundColor"]) >= 4.5


def test_verdicts_can_be_read_on_their_chips():
    from sapo_analysis.app.components.chips import _INK

    for verdict, color in theme.VERDICTS.items():
        if verdict != "too few":  # hollow
            assert contrast(_INK.get(verdict, "#FFFFFF"), color) >= 4.5, verdict
