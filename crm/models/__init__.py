"""All tables, importable from one place. Split by noun; importing this is what makes ``Base.metadata`` complete."""

from crm.models.accounts import Account, AccountAlias, Ledger, Stream
from crm.models.declarative import Base
from crm.models.deals import CurrencyRate, Deal, DealContact, DealStageChange, Pipeline, Stage, Task
from crm.models.decisions import AccessRequest, Decision, Grant, ImportBatch, Marker, ReviewState, Ruling
from crm.models.log import (
    Communication,
    CommunicationBody,
    EventVersion,
    Link,
    MessageRef,
    Participant,
    Question,
    Sighting,
    Suggestion,
    Thread,
)
from crm.models.people import Address, Company, CompanyDomain, Contact, ContactPhone, Job, User
from crm.models.system import (
    ApiToken,
    Audit,
    AutomationRun,
    Field,
    IdempotencyKey,
    Notification,
    Outbox,
    Segment,
    Setting,
)

__all__ = [
    "AccessRequest", "Account", "AccountAlias", "Address", "ApiToken", "Audit", "AutomationRun", "Base", "Communication",
    "CommunicationBody", "Company", "CompanyDomain", "Contact", "ContactPhone", "CurrencyRate", "Deal", "DealContact",
    "DealStageChange", "Decision", "EventVersion", "Field", "Grant", "IdempotencyKey", "ImportBatch", "Job", "Ledger", "Link",
    "Marker", "MessageRef", "Notification", "Outbox", "Participant", "Pipeline", "Question", "ReviewState", "Ruling", "Segment",
    "Setting", "Sighting", "Stage", "Stream", "Suggestion", "Task", "Thread", "User",
]
