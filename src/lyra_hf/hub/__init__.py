"""Hugging Face Hub: cards, push and pull, and what serves a model at an endpoint."""
