"""The contracts: one Pydantic model an entity, with everything a row must be declared as data."""
