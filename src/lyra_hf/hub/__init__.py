"""Hugging Face Hub: model cards."""
