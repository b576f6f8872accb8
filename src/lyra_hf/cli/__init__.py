"""The command `lyra-hf`."""

from .app import main

__all__ = ["main"]
