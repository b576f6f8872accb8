"""The catalogue of tasks: recipes, the data behind them, metrics."""
