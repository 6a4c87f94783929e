"""The contract of products."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated

from pydantic import Field

from libs.contracts.base import Contract
from libs.contracts.rules import Requires
from libs.contracts.types import BOOLEAN, CATALOGUE_PRICE, CURRENCY, ID, QUANTITY, TEXT, TIMESTAMP


class Product(Contract):
    """A thing (or fee) that the shop sells, as known on the day of the file."""

    entity = "products"
    key = ("product_id",)
    event_time = "created_at"
    own_rules = (Requires("unit_price", "currency"), Requires("unit_cost", "currency"))

    product_id: Annotated[str, ID] = Field(description="The shop's id of the product")
    sku: Annotated[str, TEXT] | None = Field(None, description="Stock keeping unit")
    name: Annotated[str, TEXT] | None = Field(None, description="Name")
    category: Annotated[str, TEXT] | None = Field(None, description="Category, as the shop has it; `fee` for fees")
    brand: Annotated[str, TEXT] | None = Field(None, description="Brand")
    unit_price: Annotated[Decimal, CATALOGUE_PRICE] | None = Field(None, description="List price of one unit")
    unit_cost: Annotated[Decimal, CATALOGUE_PRICE] | None = Field(None, description="What one unit costs the shop")
    currency: Annotated[str, CURRENCY] | None = Field(None, description="Currency of price and cost (ISO 4217)")
    weight_g: Annotated[Decimal, QUANTITY] | None = Field(None, description="Weight in grams")
    is_active: Annotated[bool, BOOLEAN] | None = Field(None, description="Whether it is on sale")
    created_at: Annotated[datetime, TIMESTAMP] = Field(description="When the product came to the shop (UTC)")
    updated_at: Annotated[datetime, TIMESTAMP] = Field(description="When this version of the row was made (UTC)")
