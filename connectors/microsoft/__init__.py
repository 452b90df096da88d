"""Microsoft 365 mail and calendar through Microsoft Graph v1.0: what ``connectors.providers.microsoft`` is made of.

Reads only: the scopes asked for are read scopes and no module here writes to a mailbox or a calendar. The one
exception named by its module is ``subscriptions``, which creates change notifications (they touch no content).
"""
