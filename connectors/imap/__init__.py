"""What the IMAP provider is made of. ``connectors.providers.imap`` is its front; nothing else imports from here."""
