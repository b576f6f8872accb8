"""Models for other runtimes: ONNX, and a page for the browser."""
