"""Word and domain lists of matching, one entry a line; read by ``matching.tables``."""
