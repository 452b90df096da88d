"""The pieces ``connectors.mime`` is made of: header fields, words, addresses, dates, ids, parts, bodies, forwards.

Each module turns bytes from outside into plain values, within stated bounds. Nothing here opens a file, a socket
or a database, and nothing raises anything but ``connectors.errors.BadItem``.
"""
