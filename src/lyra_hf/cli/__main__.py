"""`python -m lyra_hf.cli`, the same as `lyra-hf`."""

from .app import main

main()
