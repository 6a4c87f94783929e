"""The contract of order items: the lines of documents."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated

from pydantic import Field

from libs.contracts.base import Contract, minor_units
from libs.contracts.rules import LineTotal, NonZero
from libs.contracts.types import CURRENCY, ID, LINE_NUMBER, MONEY, PRICE, QUANTITY, TEXT, TIMESTAMP


class OrderItem(Contract):
    """A line of a document; the lines of a return are negative."""

    entity = "order_items"
    key = ("order_id", "line_number")
    event_time = "ordered_at"
    own_rules = (
        NonZero("quantity"),
        LineTotal(),
        *minor_units("discount", "tax", "shipping", "line_total"),
    )

    order_id: Annotated[str, ID] = Field(description="The document that the line belongs to")
    line_number: Annotated[int, LINE_NUMBER] = Field(description="Number of the line in its document, from 1")
    product_id: Annotated[str, ID] | None = Field(None, description="What was bought")
    sku: Annotated[str, TEXT] | None = Field(None, description="Stock keeping unit, as sold")
    name: Annotated[str, TEXT] | None = Field(None, description="Name, as sold")
    quantity: Annotated[Decimal, QUANTITY] = Field(description="Units, weight or length; negative on a return")
    unit_price: Annotated[Decimal, PRICE] = Field(description="Price of one unit, before discounts")
    discount: Annotated[Decimal, MONEY] = Field(description="Discount of this line")
    tax: Annotated[Decimal, MONEY] | None = Field(None, description="Tax of this line, on top")
    shipping: Annotated[Decimal, MONEY] | None = Field(None, description="Shipping of this line")
    line_total: Annotated[Decimal, MONEY] = Field(description="quantity × unit_price − discount, rounded")
    currency: Annotated[str, CURRENCY] = Field(description="Currency of all amounts (ISO 4217)")
    ordered_at: Annotated[datetime, TIMESTAMP] = Field(description="When the document was made (UTC)")
    updated_at: Annotated[datetime, TIMESTAMP] = Field(description="When this version of the row was made (UTC)")
