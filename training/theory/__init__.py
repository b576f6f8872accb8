"""What the parts of the model can and cannot express: shown on made-up landscapes."""
