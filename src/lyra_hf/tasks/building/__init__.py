"""The catalogue's tables, built from the files that their authors published."""
