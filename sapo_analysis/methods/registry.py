"""All methods by name, found in the files of this folder and in the user's own."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import os
import pkgutil
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from sapo_analysis.errors import InputError, unknown
from sapo_analysis.methods.base import Method
from sapo_analysis.methods.facts import FAMILIES

if TYPE_CHECKING:
    from sapo_analysis.spec import AnyStudy

OWN_METHODS = "SAPO_METHODS"
"""Environment variable that names a folder with the user's own method files."""
_HERE = Path(__file__).parent
_OWN_PACKAGE = "sapo_own_methods"
_MARKS: dict[str, str] = {}
"""Of each own module the sha256 of its file as it was read."""


@cache
def known_methods() -> Mapping[str, type[Method]]:
    """Every method by name: families in their order, in each the plainest first.

    Raises:
        InputError: the folder of own methods is not there, or a file in it is no method file.
    """
    found: dict[str, type[Method]] = {}
    for method in (*_shipped(), *_own()):
        if method.name in found:
            other = inspect.getsourcefile(found[method.name])
            raise InputError(
                f"Two methods have the name {method.name!r}: in {other} and in"
                f" {inspect.getsourcefile(method)}. Give one of them another name."
            )
        found[method.name] = method

    def place(name: str) -> tuple[int, int, str]:
        method = found[name]
        return FAMILIES.index(method.facts.family), len(method.__mro__), name

    return {name: found[name] for name in sorted(found, key=place)}


def find_method(name: str) -> type[Method]:
    """The method of that name.

    Raises:
        InputError: there is none; the known ones are listed.
    """
    methods = known_methods()
    if name not in methods:
        raise unknown("method", name, tuple(methods))
    return methods[name]


def make_method(name: str, study: AnyStudy) -> Method:
    """The method of that name with the settings of a study."""
    return find_method(name)(study)


def own_mark(name: str) -> str | None:
    """sha256 of the file of a user's own method; None: the method came with this package.

    Ids name it, so that what an edited method would do is never taken from an earlier run. It is of
    the file as it was read: what is edited while a study runs is not what runs.
    """
    return _MARKS.get(find_method(name).__module__)


def what_decides(method: Method, n_past: int) -> object:
    """`Method.decides`, of a user's own method with the mark of its file."""
    mark = own_mark(method.name)
    decides = method.decides(n_past)
    return decides if mark is None else [method.name, decides, mark]


def _shipped() -> Iterator[type[Method]]:
    for module in pkgutil.iter_modules([str(_HERE)]):
        yield from _methods_in(f"{__package__}.{module.name}")


def _own() -> Iterator[type[Method]]:
    """The user's own methods, in the order of their files."""
    if not (named := os.environ.get(OWN_METHODS)):
        return
    folder = Path(named).expanduser().resolve()
    if not folder.is_dir():
        raise InputError(
            f"{OWN_METHODS} names {named}, and there is no such folder."
            f" Name a folder with method files, or unset {OWN_METHODS}."
        )
    for file in sorted(folder.glob("*.py")):
        if file.name.startswith(("test_", "_")):  # its tests, and what its files share
            continue
        name = f"{_OWN_PACKAGE}.{file.stem}"
        spec = importlib.util.spec_from_file_location(name, file)
        assert spec is not None and spec.loader is not None, "a Python file has a loader"
        module = sys.modules[name] = importlib.util.module_from_spec(spec)
        _MARKS[name] = hashlib.sha256(file.read_bytes()).hexdigest()
        try:
            spec.loader.exec_module(module)
        except Exception as error:
            raise InputError(
                f"The method file {file} cannot be read: {type(error).__name__}: {error}."
                f" Mend it, or take it out of the folder that {OWN_METHODS} names."
            ) from error
        own = list(_methods_in(name))
        for method in own:
            _check(method, file)
        yield from own


def _methods_in(module: str) -> Iterator[type[Method]]:
    """The methods that a module defines itself and names."""
    for _, found in inspect.getmembers(importlib.import_module(module), inspect.isclass):
        if issubclass(found, Method) and found.__module__ == module and "name" in vars(found):
            yield found


def _check(method: type[Method], file: Path) -> None:
    """Refuse a user's method that lacks what everything else relies on."""
    if "facts" not in vars(method):
        raise InputError(
            f"Method {method.name!r} in {file} has no facts of its own. Give its class"
            " facts = MethodFacts(words=…, trains=…, changes=…)."
        )
    if method.facts.family not in FAMILIES:
        raise InputError(
            f"Method {method.name!r} in {file} is of the family {method.facts.family!r}."
            f" Leave family out, or name one of: {', '.join(FAMILIES)}."
        )
