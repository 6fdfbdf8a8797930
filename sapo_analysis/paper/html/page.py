"""The templates in `data/html`, filled in: one file with its style, its scripts and plotly inside.

Texts of runs are escaped by the templates. The page forbids itself every address and every script
but the two that are written into it, so a prompt that looks like a script stays a text.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from sapo_analysis.figures.theme import BLUE, GREY, VERDICTS, VERMILION

FOLDER = Path(__file__).resolve().parents[2] / "data" / "html"
_POLICY = (
    "default-src 'none'; script-src {}{}; style-src 'unsafe-inline'; img-src data: blob:;"
    " base-uri 'none'; form-action 'none'"
)


def written(content: Mapping[str, Any], with_webgl: bool = False) -> str:
    """The whole page.

    Args:
        content: what `report.html` names, beside scripts, style and colours.
        with_webgl: whether a figure is drawn by WebGL: plotly compiles its shaders' code then.
    """
    scripts = [plotly_js(), (FOLDER / "report.js").read_text(encoding="utf-8")]
    return _template().render(
        **content,
        policy=_POLICY.format(
            " ".join(map(_digest, scripts)), " 'unsafe-eval'" if with_webgl else ""
        ),
        scripts=[Markup(script) for script in scripts],
        style=Markup((FOLDER / "report.css").read_text(encoding="utf-8")),
        colors={**VERDICTS, "accent": BLUE, "caution": VERMILION, "muted": GREY},
    )


@cache
def plotly_js() -> str:
    """The library as the installed plotly brings it."""
    from plotly.offline import get_plotlyjs

    return str(get_plotlyjs())


def _digest(script: str) -> str:
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return f"'sha256-{digest}'"


def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html")
