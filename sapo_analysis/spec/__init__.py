"""What to run: frozen study specifications.

One definition serves validation, help texts and the saved JSON. A spec is the question, completely:
`spec.json` in a run folder is the spec that was run and can be run again. Names of tasks, prompts
and models are resolved by `sapo_analysis.plan`; here only form and ranges are checked.
"""

from sapo_analysis.spec.files import (
    PRESETS,
    AnyStudy,
    by_dotted_name,
    load_study,
    parse_study,
    preset_names,
    read_spec_data,
    to_json,
)
from sapo_analysis.spec.paraphrase import ParaphraseStudy
from sapo_analysis.spec.sequence import (
    METHODS,
    POLICIES,
    MethodName,
    PolicyName,
    SequenceStudy,
    Strategy,
    as_strategy,
)
from sapo_analysis.spec.settings import (
    SCHEMA_VERSION,
    EvaluationSettings,
    LoraSettings,
    ScoringSettings,
    Seed,
    Settings,
    Study,
    TrainingSettings,
)

__all__ = [
    "METHODS",
    "POLICIES",
    "PRESETS",
    "SCHEMA_VERSION",
    "AnyStudy",
    "EvaluationSettings",
    "LoraSettings",
    "MethodName",
    "ParaphraseStudy",
    "PolicyName",
    "ScoringSettings",
    "Seed",
    "SequenceStudy",
    "Settings",
    "Strategy",
    "Study",
    "TrainingSettings",
    "as_strategy",
    "by_dotted_name",
    "load_study",
    "parse_study",
    "preset_names",
    "read_spec_data",
    "to_json",
]
