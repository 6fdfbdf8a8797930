"""A page read by a parser: its elements in order, each with its attributes and its text."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

VOID = {"meta", "link", "br", "img", "input", "hr"}


@dataclass
class Element:
    tag: str
    attributes: dict[str, str]
    inside: tuple[str, ...]
    parts: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return " ".join("".join(self.parts).split())

    @property
    def classes(self) -> set[str]:
        return set(self.attributes.get("class", "").split())


class Page(HTMLParser):
    """`elements` in document order; `open_at_the_end` should be empty."""

    def __init__(self, html: str):
        super().__init__(convert_charrefs=True)
        self.elements: list[Element] = []
        self._open: list[Element] = []
        self.stray: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        inside = tuple(one.tag for one in self._open)
        element = Element(tag, {name: value or "" for name, value in attrs}, inside)
        self.elements.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open[-1].tag != tag:
            self.stray.append(tag)
            return
        self._open.pop()

    def handle_data(self, data: str) -> None:
        for one in self._open:
            one.parts.append(data)

    @property
    def open_at_the_end(self) -> list[str]:
        return [one.tag for one in self._open]

    def all(self, tag: str, name: str = "") -> list[Element]:
        """Elements of a tag, and of a class."""
        return [
            one for one in self.elements if one.tag == tag and (not name or name in one.classes)
        ]

    def by_id(self, name: str) -> Element:
        (found,) = [one for one in self.elements if one.attributes.get("id") == name]
        return found

    def chips(self) -> list[str]:
        return [one.text for one in self.all("span", "chip")]

    def figures(self) -> dict[str, Any]:
        """What the browser draws, by the name of the figure."""
        return {
            one.attributes["id"].removeprefix("data-"): json.loads("".join(one.parts))
            for one in self.all("script")
            if one.attributes.get("type") == "application/json"
        }

    def rows(self, name: str) -> list[list[str]]:
        """The cells of one table: its head first."""
        found: list[list[str]] = []
        here = False
        for one in self.elements:
            if one.tag == "section":
                here = one.attributes.get("id") == f"table-{name}"
            elif here and one.tag == "tr":
                found.append([])
            elif here and one.tag in ("td", "th"):
                found[-1].append(one.text)
        return found
