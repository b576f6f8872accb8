"""Predicting for tables of any size: reading them, running the model over them, writing the results."""
