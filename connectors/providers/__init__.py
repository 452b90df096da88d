"""One module per provider, each exposing ``PROVIDER``; see ``connectors.registry``."""
