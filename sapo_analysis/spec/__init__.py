"""What to run: frozen study specifications.

One definition serves validation, help texts and the saved JSON. A spec is the question, completely:
`spec.json` in a run folder is the spec that was run and can be run again. Names of tasks, prompts
and models are resolved by `sapo_analysis.plan`; here only form and ranges are checked.
"""

from sapo_analysis.spec.base import Settings
from sapo_analysis.spec.files import (
    AnyImported,
    AnySpec,
    AnyStudy,
    by_dotted_name,
    load_study,
    parse_spec,
    parse_study,
    read_spec_data,
    to_json,
)
from sapo_analysis.spec.imported import NOT_RECORDED, ImportedResults, ImportedSequence
from sapo_analysis.spec.methods import (
    METHODS,
    ONE_TASK_METHODS,
    SEQUENCE_METHODS,
    MetaTunerSettings,
    MethodName,
    PromotSettings,
    SoftPromptSettings,
)
from sapo_analysis.spec.paraphrase import ParaphraseStudy
from sapo_analysis.spec.presets import PRESETS, preset_names, read_preset
from sapo_analysis.spec.sequence import (
    POLICIES,
    PolicyName,
    SequenceStudy,
    Strategy,
    as_strategy,
)
from sapo_analysis.spec.settings import (
    NAME_PATTERN,
    SCHEMA_VERSION,
    DiagnosticsSettings,
    EvaluationSettings,
    InputSettings,
    LoraSettings,
    MemorySettings,
    ScoringSettings,
    Seed,
    Study,
    TrainingSettings,
)

__all__ = [
    "METHODS",
    "NAME_PATTERN",
    "NOT_RECORDED",
    "ONE_TASK_METHODS",
    "POLICIES",
    "PRESETS",
    "SCHEMA_VERSION",
    "SEQUENCE_METHODS",
    "AnyImported",
    "AnySpec",
    "AnyStudy",
    "DiagnosticsSettings",
    "EvaluationSettings",
    "ImportedResults",
    "ImportedSequence",
    "InputSettings",
    "LoraSettings",
    "MemorySettings",
    "MetaTunerSettings",
    "MethodName",
    "ParaphraseStudy",
    "PolicyName",
    "PromotSettings",
    "ScoringSettings",
    "Seed",
    "SequenceStudy",
    "Settings",
    "SoftPromptSettings",
    "Strategy",
    "Study",
    "TrainingSettings",
    "as_strategy",
    "by_dotted_name",
    "load_study",
    "parse_spec",
    "parse_study",
    "preset_names",
    "read_preset",
    "read_spec_data",
    "to_json",
]
