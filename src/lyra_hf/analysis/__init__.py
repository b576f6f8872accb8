"""What a model says of the letters of a sequence: mutation scans, epistasis, and pictures of them."""
