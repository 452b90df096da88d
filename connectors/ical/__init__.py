"""The parts of calendar reading: lines and components, values, zones, people, events, recurrence rules, expansion,
and the merging of versions. ``connectors.calendar`` is the door; nothing else imports from here."""
