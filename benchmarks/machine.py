"""Where and with what the measurements were made."""

import os
import platform
import resource
import time
from datetime import datetime, timezone
from pathlib import Path

import torch
import transformers

import lyra_hf


def describe_machine(threads: int) -> dict[str, str]:
    """The processor, the versions, the threads and the time."""
    return {
        "processor": processor_name(),
        "cores": str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()),
        "threads": str(threads),
        "load before": f"{os.getloadavg()[0]:.2f}",
        "GPU": torch.cuda.get_device_name() if torch.cuda.is_available() else "none",
        "system": f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
        "torch": f"{torch.__version__} ({torch.backends.cpu.get_cpu_capability()})",
        "transformers": transformers.__version__,
        "lyra_hf": lyra_hf.__version__,
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }


class Neighbours:
    """How much of the processors others have used since this was made.

    It matters more than it seems to: threads that wait for each other after each operation, as PyTorch's do, lose
    ten times and more to one busy neighbour, and code with other threads loses less, so that ratios are wrong, too.
    """

    def __init__(self) -> None:
        self._start = time.monotonic()
        self._busy = busy_seconds()
        self._own = own_seconds()

    def share(self) -> float | None:
        """From 0 to 1, of all processors together; None where the system does not tell."""
        busy = busy_seconds()
        if busy is None or self._busy is None:
            return None
        others = (busy - self._busy) - (own_seconds() - self._own)
        elapsed = max(time.monotonic() - self._start, 1e-9)
        return min(1.0, max(0.0, others / (elapsed * (os.cpu_count() or 1))))


def busy_seconds() -> float | None:
    """Seconds that the processors have worked since the system started, or had to wait for another guest."""
    try:
        fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    except OSError:
        return None
    user, nice, system, _, _, irq, soft_irq, stolen = map(int, fields[:8])
    return (user + nice + system + irq + soft_irq + stolen) / os.sysconf("SC_CLK_TCK")


def own_seconds() -> float:
    """Seconds that this process and those it has started and seen end have had of the processors."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def processor_name() -> str:
    """The processor's own name where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
