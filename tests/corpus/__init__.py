"""The labelled corpus: a generated world (``python -m tests.corpus``) and a small hand-labelled set."""
