"""What the Google provider is made of: sessions, transport, batches, Gmail, Calendar, push and OAuth.

Reads only; the one provider module is ``connectors.providers.google``. Facts come from developers.google.com
(Gmail API and Calendar API references, as of 2026) and from the discovery documents that ship with the client.
"""
