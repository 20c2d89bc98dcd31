# This file is part of trytond-isthmus-outbox. GPL-3.0-or-later, see LICENSE.
"""Signed hints after commit: "look at these records now"

A hint may be lost, doubled or late without harm, because the rows of the
outbox are what counts. So nothing here may fail, slow or block the
transaction it belongs to: one daemon thread sends, and what does not fit
into its queue is dropped.
"""
import hashlib
import hmac
import json
import logging
import queue
import threading
import time
import urllib.request

from trytond.pool import Pool

logger = logging.getLogger(__name__)

TIMEOUT = 2  # seconds for one request
RECORDS_MAX = 500  # named in one hint; above that 'more' is true

_waiting = queue.Queue(maxsize=1000)
_start = threading.Lock()
_sender = None


class _Collector:
    "Data manager that keeps the records of one transaction until its commit"

    def __init__(self, transaction):
        self.transaction = transaction
        self.records = {}
        self.targets = []

    def __eq__(self, other):
        return (isinstance(other, _Collector)
            and other.transaction is self.transaction)

    def __hash__(self):
        return id(self.transaction)

    def tpc_begin(self, transaction):
        pass

    def commit(self, transaction):
        # Asked while the transaction can still read
        try:
            Subscription = Pool().get('isthmus.outbox.subscription')
            self.targets = Subscription.targets() if self.records else []
        except Exception:
            logger.warning("no subscriptions to be had", exc_info=True)

    def tpc_vote(self, transaction):
        pass

    def tpc_finish(self, transaction):
        records, self.records = list(self.records), {}
        if self.targets and records:
            _send_later(
                transaction.database.name, self.targets, records)

    def tpc_abort(self, transaction):
        self.records = {}


def after_commit(transaction, records):
    "Hint at these (model, id) when the transaction is committed"
    collector = transaction.join(_Collector(transaction))
    collector.records.update(dict.fromkeys(records))


def _send_later(database, targets, records):
    global _sender
    try:
        _waiting.put_nowait((database, targets, records))
    except queue.Full:
        logger.warning("hint dropped: %s are waiting", _waiting.qsize())
        return
    with _start:
        # Only now: a forked server process has no thread of its parent
        if _sender is None or not _sender.is_alive():
            _sender = threading.Thread(
                target=_send_all, name='isthmus-outbox', daemon=True)
            _sender.start()


def _send_all():
    while True:
        batch = [_waiting.get()]
        while len(batch) < 100:
            try:
                batch.append(_waiting.get_nowait())
            except queue.Empty:
                break
        records = {}
        for database, targets, changed in batch:
            for target in targets:
                records.setdefault((database, target), {}).update(
                    dict.fromkeys(changed))
        for (database, (url, secret)), changed in records.items():
            try:
                _post(url, secret, database, list(changed))
            except Exception as error:
                logger.warning("hint to %s failed: %s", url, error)


def _post(url, secret, database, records):
    body = json.dumps({
            'database': database,
            'records': records[:RECORDS_MAX],
            'more': len(records) > RECORDS_MAX,
            }).encode()
    now = str(int(time.time()))
    signature = hmac.new(
        secret.encode(), now.encode() + b'.' + body, hashlib.sha256)
    request = urllib.request.Request(url, body, {
            'Content-Type': 'application/json',
            'X-Isthmus-Signature': f't={now},v1={signature.hexdigest()}',
            })
    with urllib.request.urlopen(request, timeout=TIMEOUT) as response:
        response.read()
