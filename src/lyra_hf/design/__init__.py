"""Guide design: the sites of a nuclease in a genome, scored, and what else decides between them."""
