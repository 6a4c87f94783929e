"""The contract of customers."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from libs.contracts.base import Contract
from libs.contracts.types import BOOLEAN, COUNTRY, ID, TEXT, TIMESTAMP


class Customer(Contract):
    """A person or company that buys, as known on the day of the file."""

    entity = "customers"
    key = ("customer_id",)
    event_time = "created_at"

    customer_id: Annotated[str, ID] = Field(description="The shop's id of the customer")
    email: Annotated[str, TEXT] | None = Field(None, description="E-mail address, as the shop has it")
    first_name: Annotated[str, TEXT] | None = Field(None, description="First name")
    last_name: Annotated[str, TEXT] | None = Field(None, description="Last name")
    company: Annotated[str, TEXT] | None = Field(None, description="Company")
    phone: Annotated[str, TEXT] | None = Field(None, description="Telephone number, as the shop has it")
    street: Annotated[str, TEXT] | None = Field(None, description="Street and number")
    city: Annotated[str, TEXT] | None = Field(None, description="City")
    region: Annotated[str, TEXT] | None = Field(None, description="State, province or region")
    postal_code: Annotated[str, TEXT] | None = Field(None, description="Postal code: text, it may begin with 0")
    country_code: Annotated[str, COUNTRY] | None = Field(None, description="Country (ISO 3166 alpha-2)")
    marketing_opt_in: Annotated[bool, BOOLEAN] | None = Field(
        None, description="Whether the customer agreed to marketing"
    )
    created_at: Annotated[datetime, TIMESTAMP] = Field(description="When the customer came to the shop (UTC)")
    updated_at: Annotated[datetime, TIMESTAMP] = Field(description="When this version of the row was made (UTC)")
