"""The contract of payments: money in and money back."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated

from pydantic import Field

from libs.contracts.base import Contract, minor_units
from libs.contracts.rules import AnyOf
from libs.contracts.types import AMOUNT, COUNT, CURRENCY, ID, LINE_NUMBER, METHOD, TEXT, TIMESTAMP, one_of

KIND = one_of("kind", "payment", "refund", "chargeback")
STATUS = one_of("status", "pending", "authorized", "settled", "failed", "voided")


class Payment(Contract):
    """A movement of money: payment, refund or chargeback. The amount is never negative: the kind tells its way."""

    entity = "payments"
    key = ("payment_id",)
    event_time = "paid_at"
    own_rules = (AnyOf(("order_id", "customer_id")), *minor_units("amount"))

    payment_id: Annotated[str, ID] = Field(description="The shop's id of the movement")
    order_id: Annotated[str, ID] | None = Field(None, description="The document that it is for")
    customer_id: Annotated[str, ID] | None = Field(None, description="Whose money it is")
    line_number: Annotated[int, LINE_NUMBER] | None = Field(None, description="The line that a refund is for")
    kind: Annotated[str, KIND] = Field(description="What the movement is")
    method: Annotated[str, METHOD] = Field(description="How it was paid, in lower snake case; `unknown` is one")
    status: Annotated[str, STATUS] = Field(description="Where it stands; only settled ones are money")
    amount: Annotated[Decimal, AMOUNT] = Field(description="Amount, never negative")
    installments: Annotated[int, COUNT] | None = Field(None, description="Number of instalments agreed")
    gateway_reference: Annotated[str, TEXT] | None = Field(None, description="Reference at the payment provider")
    currency: Annotated[str, CURRENCY] = Field(description="Currency of the amount (ISO 4217)")
    paid_at: Annotated[datetime, TIMESTAMP] = Field(description="When the money moved (UTC)")
    updated_at: Annotated[datetime, TIMESTAMP] = Field(description="When this version of the row was made (UTC)")
