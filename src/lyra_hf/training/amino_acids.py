"""Which amino acids are alike, by their measured properties."""

import numpy as np
import numpy.typing as npt

# Hydropathy (Kyte and Doolittle 1982, doi:10.1016/0022-2836(82)90515-0), volume in cubic angstroms (Zamyatnin 1972,
# doi:10.1016/0079-6107(72)90005-3), charge at pH 7, cost of a helix beside alanine in kcal/mol (Pace and Scholtz 1998,
# doi:10.1016/S0006-3495(98)77529-0), whether it is aromatic, whether it branches at the beta carbon, as sheets like it.
AMINO_ACIDS: dict[str, tuple[float, ...]] = {
    "A": (1.8, 88.6, 0, 0.00, 0, 0),
    "C": (2.5, 108.5, 0, 0.68, 0, 0),
    "D": (-3.5, 111.1, -1, 0.69, 0, 0),
    "E": (-3.5, 138.4, -1, 0.40, 0, 0),
    "F": (2.8, 189.9, 0, 0.54, 1, 0),
    "G": (-0.4, 60.1, 0, 1.00, 0, 0),
    "H": (-3.2, 153.2, 0.3, 0.61, 1, 0),
    "I": (4.5, 166.7, 0, 0.41, 0, 1),
    "K": (-3.9, 168.6, 1, 0.26, 0, 0),
    "L": (3.8, 166.7, 0, 0.21, 0, 0),
    "M": (1.9, 162.9, 0, 0.24, 0, 0),
    "N": (-3.5, 114.1, 0, 0.65, 0, 0),
    "P": (-1.6, 112.7, 0, 3.16, 0, 0),
    "Q": (-3.5, 143.8, 0, 0.39, 0, 0),
    "R": (-4.5, 173.4, 1, 0.21, 0, 0),
    "S": (-0.8, 89.0, 0, 0.50, 0, 0),
    "T": (-0.7, 116.1, 0, 0.66, 0, 1),
    "V": (4.2, 140.0, 0, 0.61, 0, 1),
    "W": (-0.9, 227.8, 0, 0.49, 1, 0),
    "Y": (-1.3, 193.6, 0, 0.53, 1, 0),
}


def similarity(letters: str, width: float) -> npt.NDArray[np.float64]:
    """How alike amino acids are: (letters, letters), 1 for the same, towards 0 for different ones.

    A Gaussian of the distance between their properties, each measured in its standard deviations.

    Args:
        letters: the amino acids.
        width: of the Gaussian.
    """
    properties = np.array([AMINO_ACIDS[letter] for letter in letters])
    properties = (properties - properties.mean(0)) / properties.std(0)
    distance = np.square(properties[:, None] - properties).sum(-1)
    return np.asarray(np.exp(-distance / (2 * width**2)))
