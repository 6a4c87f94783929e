"""The registry of entities: one line each."""

from libs.contracts.base import Contract
from libs.contracts.customers import Customer
from libs.contracts.order_items import OrderItem
from libs.contracts.orders import Order
from libs.contracts.payments import Payment
from libs.contracts.products import Product
from libs.errors import CallError

ENTITIES: dict[str, type[Contract]] = {
    contract.entity: contract for contract in (Customer, Product, Order, OrderItem, Payment)
}


def contract_of(entity: str) -> type[Contract]:
    """Return the contract of an entity. Raises CallError for a name that is none."""
    try:
        return ENTITIES[entity]
    except KeyError:
        raise CallError(f"unknown entity {entity!r}: use one of {', '.join(ENTITIES)}") from None
