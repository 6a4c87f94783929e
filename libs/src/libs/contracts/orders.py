"""The contract of orders: sales, returns and adjustments."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated

from pydantic import Field

from libs.contracts.base import Contract, minor_units, signs
from libs.contracts.rules import Total
from libs.contracts.types import COUNTRY, CURRENCY, ID, MONEY, TEXT, TIMESTAMP, one_of

KIND = one_of("kind", "sale", "return", "adjustment")
STATUS = one_of(
    "status",
    "created",
    "approved",
    "invoiced",
    "processing",
    "on_hold",
    "shipped",
    "delivered",
    "cancelled",
    "returned",
    "unavailable",
    "unknown",
)
_AMOUNTS = ("subtotal", "discount", "tax", "shipping", "other", "total", "tax_included")
_SIGNED = tuple(amount for amount in _AMOUNTS if amount != "other")


class Order(Contract):
    """A document of the shop: a sale, a return of one (negative amounts), or an adjustment."""

    entity = "orders"
    key = ("order_id",)
    event_time = "ordered_at"
    own_rules = (
        Total("total", plus=("subtotal", "tax", "shipping", "other"), minus=("discount",)),
        *signs("sale", 1, *_SIGNED),
        *signs("return", -1, *_SIGNED),
        *minor_units(*_AMOUNTS),
    )

    order_id: Annotated[str, ID] = Field(description="The shop's id of the document")
    customer_id: Annotated[str, ID] | None = Field(None, description="Who bought; null for a guest")
    kind: Annotated[str, KIND] = Field(description="What the document is")
    original_order_id: Annotated[str, ID] | None = Field(
        None, description="The document that a return or adjustment belongs to"
    )
    status: Annotated[str, STATUS] = Field(description="Where the order stands")
    currency: Annotated[str, CURRENCY] = Field(description="Currency of all amounts (ISO 4217)")
    subtotal: Annotated[Decimal, MONEY] = Field(
        description="Σ of the lines' quantity × unit_price, each rounded half up to the minor unit, before discounts"
    )
    discount: Annotated[Decimal, MONEY] = Field(description="Line discounts and order discounts")
    tax: Annotated[Decimal, MONEY] = Field(description="Tax added on top; 0 where prices include it")
    shipping: Annotated[Decimal, MONEY] = Field(description="Shipping charged")
    other: Annotated[Decimal, MONEY] = Field(description="Duties, tips, surcharges, rounding: signed")
    total: Annotated[Decimal, MONEY] = Field(description="subtotal − discount + tax + shipping + other")
    tax_included: Annotated[Decimal, MONEY] | None = Field(None, description="The part of prices that is tax")
    channel: Annotated[str, TEXT] | None = Field(None, description="Sales channel")
    coupon_code: Annotated[str, TEXT] | None = Field(None, description="Coupon used")
    ship_city: Annotated[str, TEXT] | None = Field(None, description="City it goes to")
    ship_region: Annotated[str, TEXT] | None = Field(None, description="State, province or region it goes to")
    ship_postal_code: Annotated[str, TEXT] | None = Field(None, description="Postal code it goes to: text")
    ship_country_code: Annotated[str, COUNTRY] | None = Field(None, description="Country it goes to (ISO 3166 alpha-2)")
    ordered_at: Annotated[datetime, TIMESTAMP] = Field(description="When the document was made (UTC)")
    approved_at: Annotated[datetime, TIMESTAMP] | None = Field(None, description="When it was approved (UTC)")
    shipped_at: Annotated[datetime, TIMESTAMP] | None = Field(None, description="When it was handed over (UTC)")
    delivered_at: Annotated[datetime, TIMESTAMP] | None = Field(None, description="When it arrived (UTC)")
    estimated_delivery_at: Annotated[datetime, TIMESTAMP] | None = Field(
        None, description="When it was promised to arrive (UTC)"
    )
    cancelled_at: Annotated[datetime, TIMESTAMP] | None = Field(None, description="When it was cancelled (UTC)")
    updated_at: Annotated[datetime, TIMESTAMP] = Field(description="When this version of the row was made (UTC)")
