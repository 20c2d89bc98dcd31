# This file is part of trytond-isthmus-outbox. GPL-3.0-or-later, see LICENSE.
from trytond.model import ModelSQL
from trytond.pool import Pool

from . import outbox, recorder

__all__ = ['register']


def register():
    Pool.register(
        outbox.Outbox,
        outbox.Subscription,
        outbox.Cron,
        module='isthmus_outbox', type_='model')
    # Every stored model gets the mixin, so that which of them are recorded
    # can be decided by the configuration of the server.
    Pool.register_mixin(
        recorder.RecorderMixin, ModelSQL, module='isthmus_outbox')
