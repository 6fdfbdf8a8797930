"""How the next task is learned on top of the earlier ones: one file per method, or per family.

A method is a subclass of `Method` with a name, in a file of this folder or of the folder that the
environment variable SAPO_METHODS names. Nothing else lists methods: specs, presets, forms, tables
and citations ask here.
"""

from sapo_analysis.methods.base import Learned, Method
from sapo_analysis.methods.facts import FAMILIES, MethodFacts
from sapo_analysis.methods.recipe import Phase, Recipe
from sapo_analysis.methods.registry import (
    find_method,
    known_methods,
    make_method,
    own_mark,
    what_decides,
)

__all__ = [
    "FAMILIES",
    "Learned",
    "Method",
    "MethodFacts",
    "Phase",
    "Recipe",
    "find_method",
    "known_methods",
    "make_method",
    "own_mark",
    "what_decides",
]
