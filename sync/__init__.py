"""The verbs: pull, plan, apply, rematch, audit, explain, and the jobs and commands that run them."""
