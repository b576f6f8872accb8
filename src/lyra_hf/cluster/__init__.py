"""Much work in pieces, on the machines of a Ray cluster: each piece a file of its own, none of them lost."""
