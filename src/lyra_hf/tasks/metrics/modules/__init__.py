"""One script per metric for `evaluate.load`, which finds metrics by their files; `metric_path` says where each is."""
