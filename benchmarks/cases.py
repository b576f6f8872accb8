"""What is measured, as data: sizes, contestants, goals, and how long each table may take."""

from dataclasses import dataclass, field

from .results import Goal
from .timing import Effort

FULL = Effort(seconds=12, least=5, most=25)
QUICK = Effort(seconds=1.2, least=3, most=9)


@dataclass(frozen=True)
class Settings:
    """What the command line asked for.

    Attributes:
        quick: fewer sequences and rounds, and the longest cases left out.
        threads: of PyTorch, here and in the processes that are started.
    """

    quick: bool
    threads: int

    @property
    def effort(self) -> Effort:
        """How long to measure a case."""
        return QUICK if self.quick else FULL


@dataclass(frozen=True)
class InferenceCase:
    """Sequences of one length, read by each contestant.

    Attributes:
        name: for the table.
        alphabet: "protein" or "dna".
        length: letters per sequence.
        sequences: per round, in the full run.
        quick_sequences: the same in the quick run; 0 leaves the case out.
        engine_sequences: per round of the engine, of which rates are compared: more than two million letters where
            sequences are short, as it makes larger tables for so large a job.
        quick_engine_sequences: the same in the quick run.
        batches: sizes that the definition and our forward pass may choose from, each the one fastest for itself.
        contestants: in the order of their turns; the first is what ratios are to.
        goals: contestant -> goal.
    """

    name: str
    alphabet: str
    length: int
    sequences: int
    quick_sequences: int
    engine_sequences: int
    quick_engine_sequences: int
    batches: tuple[int, ...]
    contestants: tuple[str, ...] = ("definition", "forward", "engine")
    goals: dict[str, Goal] = field(default_factory=dict)


def _at_least(ratio: float) -> dict[str, Goal]:
    return {"engine": Goal("ratio", at_least=ratio)}


INFERENCE = (
    InferenceCase(
        "DNA guides, 30 letters", "dna", 30, 8_192, 1_024, 131_072, 70_000, (32, 128, 512, 2_048), goals=_at_least(10)
    ),
    InferenceCase(
        "proteins, 56 letters", "protein", 56, 4_096, 512, 40_960, 36_000, (16, 64, 256, 1_024), goals=_at_least(4)
    ),
    InferenceCase("proteins, 512 letters", "protein", 512, 256, 64, 4_096, 1_024, (16, 64, 256), goals=_at_least(4)),
    InferenceCase("DNA, 4,096 letters", "dna", 4_096, 32, 16, 256, 64, (4, 16, 32), goals=_at_least(8)),
    InferenceCase("DNA, 65,536 letters", "dna", 65_536, 4, 0, 16, 0, (2, 4), goals=_at_least(40)),
    # The definition's complex kernel would take 17 GB here, and as much again for each step of its making.
    InferenceCase("DNA, 1,048,576 letters", "dna", 1_048_576, 1, 0, 1, 0, (1,), contestants=("forward", "engine")),
)


@dataclass(frozen=True)
class EsmSize:
    """An ESM-2 model (Lin et al. 2023), as transformers names its sizes."""

    name: str
    layers: int
    hidden_size: int
    heads: int
    intermediate_size: int


ESM_8M = EsmSize("ESM-2 8M", 6, 320, 20, 1_280)
ESM_650M = EsmSize("ESM-2 650M", 33, 1_280, 20, 5_120)
ESM_SIZES = (ESM_8M, ESM_650M)


@dataclass(frozen=True)
class EsmCase:
    """ESM-2 against our engine on proteins of one length; rates per second, each on a number of sequences of its own.

    Attributes:
        esm: the model.
        length: residues per protein.
        batch: proteins per round of ESM-2, which are one batch.
        sequences: proteins per round of the engine.
        quick_batch: `batch` in the quick run; 0 leaves the case out.
        quick_sequences: `sequences` in the quick run.
        goal: for the engine.
    """

    esm: EsmSize
    length: int
    batch: int
    sequences: int
    quick_batch: int
    quick_sequences: int
    goal: Goal | None = None


ESM = (
    EsmCase(ESM_8M, 56, 32, 40_960, 16, 36_000, goal=Goal("ratio", at_least=350)),
    EsmCase(ESM_8M, 512, 8, 4_096, 0, 0),
    EsmCase(ESM_650M, 56, 8, 40_960, 0, 0, goal=Goal("ratio", at_least=15_000)),
)


@dataclass(frozen=True)
class MemoryCase:
    """The peak memory of a contestant on one sequence."""

    contestant: str
    length: int
    in_quick: bool
    goal: Goal | None = None


MEMORY = (
    MemoryCase("definition", 65_536, in_quick=True),
    MemoryCase("forward", 65_536, in_quick=False),
    MemoryCase("engine", 65_536, in_quick=True),
    MemoryCase("engine", 1_048_576, in_quick=False, goal=Goal("value", at_most=1e9)),
)


@dataclass(frozen=True)
class ScalingCase:
    """The engine's time on one sequence of `long` letters, as a multiple of that on one of `short`."""

    short: int
    long: int
    goal: Goal


SCALING = ScalingCase(262_144, 1_048_576, Goal("ratio", at_most=4.4))
QUICK_SCALING = ScalingCase(65_536, 262_144, Goal("ratio", at_most=4.4))


@dataclass(frozen=True)
class TrainingCase:
    """A step of training (forward, backward, AdamW) on a batch."""

    name: str
    alphabet: str
    length: int
    batch: int
    quick_batch: int
    goal: Goal | None = None


TRAINING = (
    TrainingCase("DNA guides, 30 letters", "dna", 30, 256, 256, goal=Goal("ratio", at_least=1.8)),
    TrainingCase("proteins, 56 letters", "protein", 56, 256, 256, goal=Goal("ratio", at_least=1.8)),
    TrainingCase("proteins, 512 letters", "protein", 512, 256, 16, goal=Goal("ratio", at_least=2)),
)


@dataclass(frozen=True)
class CommandCase:
    """`lyra-hf predict` on a file of random guides."""

    model: str
    length: int
    guides: int
    quick_guides: int
    rate_goal: Goal
    memory_goal: Goal


COMMAND = CommandCase(
    "lyra-cas9", 30, 1_000_000, 50_000, rate_goal=Goal("ratio", at_least=0.5), memory_goal=Goal("value", at_most=1.5e9)
)

# Largest difference between the definition's outputs and ours.
AGREEMENT = Goal("value", at_most=1e-5)
AGREEMENT_LENGTHS = (30, 56, 512, 2_048)
