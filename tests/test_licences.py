"""Every library that the package can bring along has a licence that lets anybody use the whole."""

import importlib.metadata
import re

from packaging.requirements import Requirement

EXTRAS = ("docs", "onnx", "plot", "ray", "tables", "train")
PERMISSIVE = re.compile(
    r"Apache|MIT|BSD|ISC|Python Software Foundation|PSF|Mozilla Public License 2|MPL-2\.0|Zlib|CC0|CNRI|Unlicense|HPND",
    re.IGNORECASE,
)
RESTRICTIVE = re.compile(r"(?<!L)GPL|AGPL|Commercial|Proprietary|NonCommercial|CC.BY.NC", re.IGNORECASE)


def told_licence(name):
    """The licence as a distribution tells it: an expression, classifiers, or a few words."""
    metadata = importlib.metadata.distribution(name).metadata
    classifiers = [line.rpartition("::")[2] for line in metadata.get_all("Classifier") or [] if "License ::" in line]
    return metadata.get("License-Expression") or "; ".join(classifiers) or (metadata.get("License") or "")[:200]


def brought_along(name, extras=(), found=None):
    """Everything installed that a distribution needs, itself among it."""
    found = {} if found is None else found
    key = re.sub(r"[-_.]+", "-", name).lower()
    wanted = set(extras) | {""}
    if wanted <= found.get(key, set()):
        return found
    found[key] = found.get(key, set()) | wanted
    for text in importlib.metadata.distribution(name).requires or []:
        requirement = Requirement(text)
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in wanted):
            try:
                brought_along(requirement.name, tuple(requirement.extras), found)
            except importlib.metadata.PackageNotFoundError:
                continue  # of another system, or of an extra that is not installed
    return found


def test_licences():
    names = brought_along("lyra-hf", EXTRAS)
    assert {"torch", "transformers", "pyarrow", "numpy"} <= names.keys()
    licences = {name: told_licence(name) for name in names}
    unknown = {name: told for name, told in licences.items() if not PERMISSIVE.search(told) or RESTRICTIVE.search(told)}
    assert not unknown
