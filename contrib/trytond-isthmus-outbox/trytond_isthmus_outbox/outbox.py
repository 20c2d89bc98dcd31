# This file is part of trytond-isthmus-outbox. GPL-3.0-or-later, see LICENSE.
import datetime as dt

import trytond.config as config
from sql import Cast, Literal, Null
from sql.aggregate import Max
from sql.conditionals import Coalesce
from sql.functions import CurrentTimestamp, Function
from trytond import backend
from trytond.cache import Cache
from trytond.model import Index, ModelSQL, Unique, fields
from trytond.pool import Pool, PoolMeta
from trytond.rpc import RPC
from trytond.transaction import Transaction, without_check_access

from . import hint

_PURGED = 'purged'


class _PgCurrentXactId(Function):
    __slots__ = ()
    _function = 'pg_current_xact_id'


def _on_postgresql():
    return backend.name == 'postgresql'


class Outbox(ModelSQL):
    "Isthmus Outbox"
    __name__ = 'isthmus.outbox'

    model = fields.Char("Model", required=True)
    record = fields.Integer("Record", required=True)
    event = fields.Selection([
            ('create', "Create"),
            ('write', "Write"),
            ('delete', "Delete"),
            (_PURGED, "Purged up to here"),
            ], "Event", required=True)
    field_names = fields.Char("Field Names", help="Separated by spaces.")
    parents = fields.Char(
        "Parents", help="'model,id' separated by spaces.")
    xid = fields.Integer(
        "Transaction", required=True,
        help="The writing transaction: ids are given before the commit, so "
        "their order says nothing about what can be seen.")
    xid._sql_type = 'BIGINT'

    @classmethod
    def __setup__(cls):
        super().__setup__()
        table = cls.__table__()
        cls._sql_indexes.add(
            Index(table, (table.xid, Index.Range()), (table.id, Index.Range())))
        cls.__rpc__ = {
            'changes': RPC(),
            'subscribe': RPC(readonly=False),
            'unsubscribe': RPC(readonly=False),
            'purge': RPC(readonly=False),
            }

    @classmethod
    def append(cls, rows):
        """Append (model, id, event, field names, parents) rows in SQL:
        through the ORM this would cost as much as the change itself."""
        if not rows:
            return
        transaction = Transaction()
        table = cls.__table__()
        if _on_postgresql():
            xid = Cast(Cast(_PgCurrentXactId(), 'text'), 'bigint')
        else:
            xid = Literal(0)
        user = transaction.user
        cursor = transaction.connection.cursor()
        for start in range(0, len(rows), 500):
            cursor.execute(*table.insert(
                    [table.model, table.record, table.event,
                        table.field_names, table.parents, table.xid,
                        table.create_uid, table.create_date],
                    [[*row, xid, user, CurrentTimestamp()]
                        for row in rows[start:start + 500]]))
        hint.after_commit(transaction, [(r[0], r[1]) for r in rows])

    @classmethod
    def _position(cls):
        """(server identity, first transaction that may still be running).

        Everything written by a transaction before that one is decided:
        committed, so that this snapshot sees it, or gone. The snapshot of a
        whole repeatable-read transaction is one, so the limit and the rows
        read afterwards belong together."""
        if not _on_postgresql():
            return '0', None
        cursor = Transaction().connection.cursor()
        cursor.execute(
            "SELECT (SELECT system_identifier FROM pg_control_system())::text,"
            " pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
        return cursor.fetchone()

    @classmethod
    def changes(cls, since=None, limit=1000):
        """Return the changes after the cursor since, oldest first.

        Gap-free: a row is only given when no row can appear before it any
        more. since=None gives no rows but the cursor of this moment. When
        'gap' is true rows after since were purged, or since is of another
        database: look at everything once, and go on with the new cursor."""
        pool = Pool()
        pool.get('ir.model.access').check(cls.__name__, 'read')
        identity, horizon = cls._position()
        table = cls.__table__()
        cursor = Transaction().connection.cursor()
        known, at_xid, at_id = cls._split(since)
        if known != identity:
            return {
                'rows': [], 'more': False, 'gap': since is not None,
                'cursor': cls._now(identity, horizon)}
        after = (table.xid > at_xid) | (
            (table.xid == at_xid) & (table.id > at_id))
        if horizon is not None:
            after &= table.xid < horizon
        cursor.execute(*table.select(
                table.id, where=after & (table.event == _PURGED), limit=1))
        if cursor.fetchone():
            return {
                'rows': [], 'more': False, 'gap': True,
                'cursor': cls._now(identity, horizon)}
        limit = max(1, min(int(limit), 10000))
        cursor.execute(*table.select(
                table.xid, table.id, table.model, table.record, table.event,
                table.field_names, table.parents,
                Coalesce(table.create_uid, Literal(0)), table.create_date,
                where=after, order_by=[table.xid.asc, table.id.asc],
                limit=limit + 1))
        found = cursor.fetchall()
        more, found = len(found) > limit, found[:limit]
        if found:
            at_xid, at_id = found[-1][:2]
        return {
            'rows': [cls._row(*r) for r in found],
            'cursor': f'{identity}.{at_xid}.{at_id}',
            'more': more,
            'gap': False,
            }

    @classmethod
    def _row(cls, xid, id_, model, record, event, names, parents, user, at):
        if isinstance(at, str):  # SQLite
            at = dt.datetime.fromisoformat(at)
        return {
            'id': id_,
            'model': model,
            'record': record,
            'event': event,
            'fields': names.split() if names else [],
            'parents': parents.split() if parents else [],
            'user': user,
            'at': at,
            }

    @staticmethod
    def _split(since):
        if since is None:
            return None, 0, 0
        try:
            identity, xid, id_ = str(since).split('.')
            return identity, int(xid), int(id_)
        except ValueError:
            return None, 0, 0

    @classmethod
    def _now(cls, identity, horizon):
        if horizon is not None:
            return f'{identity}.{horizon}.0'
        table = cls.__table__()
        cursor = Transaction().connection.cursor()
        cursor.execute(*table.select(Coalesce(Max(table.id), 0)))
        return f'{identity}.0.{cursor.fetchone()[0]}'

    @classmethod
    def purge(cls, days=None):
        """Delete rows older than days ([isthmus] keep_days, else 30).

        The newest of them stays as a mark, so that a reader whose cursor is
        older is told about the gap instead of silently missing changes."""
        Pool().get('ir.model.access').check(cls.__name__, 'delete')
        if days is None:
            days = config.getint('isthmus', 'keep_days', default=30)
        before = dt.datetime.now(dt.timezone.utc).replace(tzinfo=None)
        before -= dt.timedelta(days=days)
        table = cls.__table__()
        cursor = Transaction().connection.cursor()
        cursor.execute(*table.select(
                table.xid, table.id, where=table.create_date < before,
                order_by=[table.xid.desc, table.id.desc], limit=1))
        if not (newest := cursor.fetchone()):
            return
        xid, id_ = newest
        cursor.execute(*table.update(
                [table.event, table.field_names, table.parents],
                [_PURGED, Null, Null],
                where=(table.xid == xid) & (table.id == id_)))
        cursor.execute(*table.delete(
                where=(table.xid < xid)
                | ((table.xid == xid) & (table.id < id_))))

    @classmethod
    def subscribe(cls, url, secret):
        "Have a signed hint sent to url after each transaction with changes"
        Subscription = Pool().get('isthmus.outbox.subscription')
        Pool().get('ir.model.access').check(Subscription.__name__, 'create')
        Subscription.set(url, secret)

    @classmethod
    def unsubscribe(cls, url):
        "Send no more hints to url; no error when there were none"
        Subscription = Pool().get('isthmus.outbox.subscription')
        Pool().get('ir.model.access').check(Subscription.__name__, 'delete')
        Subscription.set(url, None)


class Subscription(ModelSQL):
    "Isthmus Outbox Subscription"
    __name__ = 'isthmus.outbox.subscription'

    url = fields.Char("URL", required=True)
    secret = fields.Char("Secret", required=True)
    _targets_cache = Cache('isthmus.outbox.subscription', context=False)

    @classmethod
    def __setup__(cls):
        super().__setup__()
        table = cls.__table__()
        cls._sql_constraints = [
            ('url_unique', Unique(table, table.url),
                'isthmus_outbox.msg_url_unique'),
            ]
        cls.__rpc__ = {}  # the secrets are not for reading

    @classmethod
    @without_check_access
    def set(cls, url, secret):
        # The caller has asked whether the user may; nobody may read
        subscriptions = cls.search([('url', '=', url)])
        if secret is None:
            cls.delete(subscriptions)
        elif subscriptions:
            cls.write(subscriptions, {'secret': secret})
        else:
            cls.create([{'url': url, 'secret': secret}])
        cls._targets_cache.clear()

    @classmethod
    def targets(cls):
        "[(url, secret)] of the database, and of the configuration"
        targets = cls._targets_cache.get(None)
        if targets is None:
            table = cls.__table__()
            cursor = Transaction().connection.cursor()
            cursor.execute(*table.select(table.url, table.secret))
            targets = [tuple(r) for r in cursor.fetchall()]
            if url := config.get('isthmus', 'url', default=''):
                targets.append(
                    (url, config.get('isthmus', 'secret', default='')))
            cls._targets_cache.set(None, targets)
        return targets


class Cron(metaclass=PoolMeta):
    __name__ = 'ir.cron'

    @classmethod
    def __setup__(cls):
        super().__setup__()
        cls.method.selection.append(
            ('isthmus.outbox|purge', "Purge the Isthmus outbox"))
