# This file is part of trytond-isthmus-outbox. GPL-3.0-or-later, see LICENSE.
"Writes an outbox row in the transaction of each watched change"
import trytond.config as config
from trytond.pool import Pool

# What is recorded unless [isthmus] models says otherwise, with the fields
# that lead to the record a child belongs to. The parent is recorded too,
# because after a delete nobody can ask for it any more.
WATCHED = {
    'party.party': (),
    'party.address': ('party',),
    'party.contact_mechanism': ('party',),
    'party.identifier': ('party',),
    'product.template': (),
    'product.product': ('template',),
    'product.cost_price': ('product',),
    'product.cost_price.revision': ('product', 'template'),
    'product.price_list': (),
    'product.price_list.line': ('price_list',),
    'stock.move': ('product', 'shipment'),
    'stock.shipment.out': (),
    'stock.shipment.out.return': (),
    'sale.sale': (),
    'sale.line': ('sale',),
    'account.invoice': (),
    'account.move.line': ('party', 'move'),
    'account.move.reconciliation': (),
    }

_watched = None


def watched():
    "The recorded models: name -> fields that lead to their parents"
    global _watched
    if _watched is None:
        names = config.get('isthmus', 'models', default='')
        if names := names.replace(',', ' ').split():
            _watched = {n: WATCHED.get(n, ()) for n in names}
        else:
            _watched = WATCHED
    return _watched


def _parents(record, names):
    for name in names:
        # A module that is not activated leaves its field out
        parent = getattr(record, name, None)
        if parent is not None and getattr(parent, 'id', None) is not None:
            yield f'{parent.__name__},{parent.id}'


def _relevant(record):
    # Of the ledger only what some party owes or is owed
    return (record.__name__ != 'account.move.line'
        or record.party is not None)


class RecorderMixin:
    __slots__ = ()

    @classmethod
    def on_modification(cls, mode, records, field_names=None):
        super().on_modification(mode, records, field_names=field_names)
        names = watched().get(cls.__name__)
        if names is None or not records:
            return
        Outbox = Pool().get('isthmus.outbox')
        fields = ' '.join(sorted(field_names)) if field_names else None
        Outbox.append([
                (cls.__name__, r.id, mode, fields,
                    ' '.join(_parents(r, names)) or None)
                for r in records if _relevant(r)])
