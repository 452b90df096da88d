"""Whole flows, from a mailbox to the log, with the faults that life brings."""
