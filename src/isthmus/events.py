"""Every log event by name. Key-values only: ids, field names, counts, codes; never bodies or secrets.

INFO is a state transition, WARNING is handled by the hub, ERROR needs a person. A quiet day logs nothing.
"""

from __future__ import annotations

import logging
from typing import Any, Final

__all__ = [
    "BRAKE_STOPPED",
    "CHORE_FAILED",
    "EDIT_UNDONE",
    "FEED_READ",
    "FIELD_CHANGED",
    "FLOWS_REFUSED",
    "FLOWS_RENEWED",
    "FLOW_LEFT",
    "HINT_RECEIVED",
    "HINT_REFUSED",
    "HISTORY_ARCHIVED",
    "ITEM_LINKED",
    "JOB_DONE",
    "JOB_FAILED",
    "JOB_LOST",
    "MAIL_DOWN",
    "MAIL_UP",
    "NOTICE_BOUNCED",
    "NOTICE_REFUSED",
    "NOTICE_RETRY",
    "NOTICE_SENT",
    "PAGE_FAILED",
    "PROCESS_ENDED",
    "PROCESS_RECOVERED",
    "QUOTA_LOW",
    "RECORD_SET_ASIDE",
    "SCAN_COMPLETE",
    "STALE_DROPPED",
    "STORE_DOWN",
    "SYSTEM_DOWN",
    "SYSTEM_UP",
    "WRITE_DONE",
    "WRITE_PARKED",
    "WRITE_RETRY",
    "WRITE_UNDONE",
    "WRITE_UNSURE",
    "emit",
]

FEED_READ: Final = "feed.read"
"""Changes of one resource were taken in."""
SCAN_COMPLETE: Final = "scan.complete"
"""A resource was read as a whole."""
STALE_DROPPED: Final = "read.stale"
"""A read older than what the hub knows was dropped."""
RECORD_SET_ASIDE: Final = "record.set_aside"
"""A record or field could not be taken in; it waits in the inbox."""
ITEM_LINKED: Final = "item.linked"
"""New readings got their items."""
WRITE_DONE: Final = "write.done"
"""Writes to a system succeeded."""
WRITE_RETRY: Final = "write.retry"
"""A write failed in a way that passes; it is planned again."""
WRITE_UNSURE: Final = "write.unsure"
"""A write was sent and its outcome is unknown; it is looked up."""
WRITE_PARKED: Final = "write.parked"
"""A write was refused; it waits in the inbox."""
EDIT_UNDONE: Final = "edit.undone"
"""A write of ours undid somebody's edit of the same moment inside the far system; where possible it is written back."""
WRITE_UNDONE: Final = "write.undone"
"""A save of an older copy inside the far system undid a write of ours; it is made again."""
BRAKE_STOPPED: Final = "brake.stopped"
"""A mass change was stopped and waits for approval."""
SYSTEM_DOWN: Final = "system.down"
"""A system cannot be reached; everything for it waits."""
SYSTEM_UP: Final = "system.up"
"""A system answers again."""
STORE_DOWN: Final = "store.down"
"""The hub's own database cannot be used; it is started again when it runs embedded."""
HINT_RECEIVED: Final = "hint.received"
"""A webhook told us to look."""
HINT_REFUSED: Final = "hint.refused"
"""A webhook with a bad signature or an unreadable body was refused."""
HISTORY_ARCHIVED: Final = "history.archived"
"""A month of journal or effects was put into a file and dropped."""
CHORE_FAILED: Final = "chore.failed"
"""Something the hub does now and then (putting history away, comparing fields) could not be done; it tries again."""
JOB_DONE: Final = "job.done"
"""What somebody asked for on a page (a comparison, a repair, a dry run) was done."""
JOB_FAILED: Final = "job.failed"
"""What somebody asked for on a page ended in a fault of ours."""
QUOTA_LOW: Final = "quota.low"
"""A far system says that we have nearly used up how often it may be called."""
JOB_LOST: Final = "job.lost"
"""Another worker has begun what this one was doing for a page: it was taken for dead. It leaves it to that one."""
FLOWS_RENEWED: Final = "flows.renewed"
"""A process goes on with changed flows."""
FLOWS_REFUSED: Final = "flows.refused"
"""Changed flows cannot be read from the project's folder; what was in force stays."""
FLOW_LEFT: Final = "flow.left"
"""An approved change of a flow could not be written into a project's folder."""
FIELD_CHANGED: Final = "field.changed"
"""A field of a far system appeared, vanished, came back or changed its type."""

NOTICE_SENT: Final = "notice.sent"
"""The mail server took a notice."""
NOTICE_RETRY: Final = "notice.retry"
"""The mail server did not take a notice now, or gave no answer; it is tried again."""
NOTICE_REFUSED: Final = "notice.refused"
"""The mail server will not take a notice, or it cannot be made."""
NOTICE_BOUNCED: Final = "notice.bounced"
"""A notice that was sent came back."""
MAIL_DOWN: Final = "mail.down"
"""The mail server, or the mailbox for bounces, cannot be used; notices wait."""
MAIL_UP: Final = "mail.up"
"""The mail server answers again."""
PROVIDER_FAILED: Final = "provider.failed"
"""The OpenID provider does not answer, or hub and provider are not set up for one another; nobody signs in by it."""
PAGE_FAILED: Final = "page.failed"
"""A request of the web server failed by a fault of ours."""
FOLLOW_FAILED: Final = "follow.failed"
"""What the ERP shows of documents that processes wait for could not be read; it is read again soon."""
PROCESS_ENDED: Final = "process.ended"
"""A process is done, or failed."""
PROCESS_RECOVERED: Final = "process.recovered"
"""Turns that a dead worker left were handed to the others."""

_LOG = logging.getLogger("isthmus")


def emit(event: str, level: int = logging.INFO, **values: Any) -> None:
    """Log one event with its key-values."""
    _LOG.log(level, "%s %s", event, " ".join(f"{k}={v}" for k, v in values.items()), extra={"event": event})
