"""All tests, one tree mirroring the packages."""
