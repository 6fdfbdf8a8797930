"""What of a study decides its numbers, where specs of different days are held to each other."""

from sapo_analysis.methods import find_method, known_methods


def deciding(study):
    """All of a study but what is of methods that it has not: their defaults may have moved on."""
    names = (
        {s.method for s in study.chosen_strategies} if study.kind == "sequence" else {study.method}
    )
    own = {section for name in names for section in find_method(name).settings}
    of_others = {s for m in known_methods().values() for s in m.settings} - own
    return {key: value for key, value in study.model_dump().items() if key not in of_others}
