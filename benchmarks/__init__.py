"""The speed comparison: `python -m benchmarks` from the root of the checkout, or `make bench`."""
