"""Mail and calendars as files: mbox, Maildir, .eml, .ics, and zips of them. ``connectors.providers.archive`` is the
connector; this package finds the files and reads them, within limits. Nothing here writes but to temporary files."""
