"""The demo: a made-up sales team whose mailboxes and calendars are written as files and pulled through the real flow.

Deterministic but for the date: everything lies relative to today, so that "yesterday" is yesterday. All names and
domains are invented; domains end in .example (RFC 2606). Inserts no log rows by itself."""
