"""What we keep: settings, database, people, deals, tasks, the log, and who may see what. Talks to no provider."""
