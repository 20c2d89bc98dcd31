"""The hub's memory on PostgreSQL: :class:`PostgresStore`, :class:`Reads` for the faces, and :class:`EmbeddedServer` for
one machine. What brings a large library of its own is asked for where it is: :mod:`.archive`, :mod:`.turns`."""

from isthmus.store.approvals import ApprovalReads
from isthmus.store.calls import ApiCalls, KnownCall, OpenItems, Pages, SettlementShare
from isthmus.store.embedded import EmbeddedServer
from isthmus.store.flow_changes import ChangeState, FlowChange, FlowChanges
from isthmus.store.inbox import Care, Comment, InboxGroup, InboxWork
from isthmus.store.job_entries import EntryNote, EntryReason, EntryState, JobEntries
from isthmus.store.jobs import CompareRun, Job, JobKind, JobNotice, Jobs, JobState, OpenJob, job_notices
from isthmus.store.mapped import MappedPlaces
from isthmus.store.notices import NoticeOutbox
from isthmus.store.people import ApiToken, AuditEntry, People, Person, WebSession
from isthmus.store.postgres import Notice, PostgresStore
from isthmus.store.reads import Reads, WriteCount
from isthmus.store.scratch import ScratchStore
from isthmus.store.workers import Worker

__all__ = [
    "ApiCalls",
    "ApiToken",
    "ApprovalReads",
    "AuditEntry",
    "Care",
    "ChangeState",
    "Comment",
    "CompareRun",
    "EmbeddedServer",
    "EntryNote",
    "EntryReason",
    "EntryState",
    "FlowChange",
    "FlowChanges",
    "InboxGroup",
    "InboxWork",
    "Job",
    "JobEntries",
    "JobKind",
    "JobNotice",
    "JobState",
    "Jobs",
    "KnownCall",
    "MappedPlaces",
    "Notice",
    "NoticeOutbox",
    "OpenItems",
    "OpenJob",
    "Pages",
    "People",
    "Person",
    "PostgresStore",
    "Reads",
    "ScratchStore",
    "SettlementShare",
    "WebSession",
    "Worker",
    "WriteCount",
    "job_notices",
]
