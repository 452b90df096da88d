"""The server of the in-memory provider; ``connectors.providers.memory`` is its connector."""
