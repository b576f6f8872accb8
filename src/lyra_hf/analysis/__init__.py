"""What a model says of the letters of a sequence: mutation scans, epistasis, better sequences, and pictures of them."""

from .interactions import Epistasis, Interaction, epistasis, epistasis_map, strongest
from .measured import MeasuredEpistasis, MeasuredMutants, agreement, measured_epistasis, read_measured
from .optimization import Optimization, optimize
from .scan import MutationScan, SubstitutionEffect, effect_matrix, mutation_scan, substitution_effects
from .scores import SequenceScore
from .variant_effects import VariantEffects, variant_effects
from .variants import Substitution, parse_variant

__all__ = [
    "Epistasis",
    "Interaction",
    "MeasuredEpistasis",
    "MeasuredMutants",
    "MutationScan",
    "Optimization",
    "SequenceScore",
    "Substitution",
    "SubstitutionEffect",
    "VariantEffects",
    "agreement",
    "effect_matrix",
    "epistasis",
    "epistasis_map",
    "measured_epistasis",
    "mutation_scan",
    "optimize",
    "parse_variant",
    "read_measured",
    "strongest",
    "substitution_effects",
    "variant_effects",
]
