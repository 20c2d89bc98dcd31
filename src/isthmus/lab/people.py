"""The people of the business, who act on the systems directly and independently of the hub's connectors.

Tests and the demo use them to do what a person does in one system and to see what truly arrived in the other.
"""

from .crm_user import CrmUser, Line
from .erp_returns import ErpReturns
from .erp_user import ErpFault, ErpUser
from .erp_warehouse import ErpWarehouse

__all__ = ["CrmUser", "ErpFault", "ErpReturns", "ErpUser", "ErpWarehouse", "Line"]
