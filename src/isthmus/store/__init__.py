"""The hub's memory on PostgreSQL: :class:`PostgresStore`, :class:`Reads` for the faces, and :class:`EmbeddedServer` for
one machine."""

from isthmus.store.approvals import ApprovalReads
from isthmus.store.archive import Archived, archive_history
from isthmus.store.embedded import EmbeddedServer
from isthmus.store.notices import NoticeOutbox
from isthmus.store.postgres import Notice, PostgresStore
from isthmus.store.reads import Reads
from isthmus.store.scratch import ScratchStore
from isthmus.store.workers import Worker

__all__ = [
    "ApprovalReads",
    "Archived",
    "EmbeddedServer",
    "Notice",
    "NoticeOutbox",
    "PostgresStore",
    "Reads",
    "ScratchStore",
    "Worker",
    "archive_history",
]
