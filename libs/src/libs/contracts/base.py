"""The base of the contracts: a Pydantic model that declares its key, its times and its rules as data."""

import dataclasses
import functools
import hashlib
import json
from collections.abc import Iterable
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, ValidationError, ValidationInfo, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from libs.contracts.rules import MinorUnit, NotAfterPartition, NotBefore, Rule, Sign
from libs.contracts.types import FieldType


@dataclasses.dataclass(frozen=True)
class Column:
    """One field of a contract, for readers other than Pydantic."""

    name: str
    type: FieldType
    nullable: bool
    description: str


class Contract(BaseModel):
    """What a row of an entity must be.

    Validate text: `model_validate({field: text}, context=partition_date)`, with empty fields left out, for an empty CSV
    field is null. Every broken rule is an error of its own, reported once all fields are valid by themselves.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    entity: ClassVar[str]
    key: ClassVar[tuple[str, ...]]
    event_time: ClassVar[str]
    change_time: ClassVar[str] = "updated_at"
    own_rules: ClassVar[tuple[Rule, ...]] = ()

    rules: ClassVar[tuple[Rule, ...]] = ()
    """The rules between fields: those of every entity, then its own."""

    @classmethod
    def __pydantic_init_subclass__(cls, **_: Any) -> None:
        """Put the rules of every entity before the contract's own."""
        cls.rules = (NotBefore(cls.change_time, cls.event_time), NotAfterPartition(cls.event_time), *cls.own_rules)

    @classmethod
    @functools.cache
    def columns(cls) -> tuple[Column, ...]:
        """Return the fields in the contract's order, which is that of every file written."""
        return tuple(
            Column(name, _field_type(field), not field.is_required(), field.description or "")
            for name, field in cls.model_fields.items()
        )

    @classmethod
    @functools.cache
    def version(cls) -> str:
        """Return the hash of schema and rules, 16 hexadecimal digits. Descriptions are no part of it.

        Kept, for it takes 1.4 ms, and is asked for each partition.
        """
        declared = {
            "entity": cls.entity,
            "key": cls.key,
            "change_time": cls.change_time,
            "columns": [(c.name, dataclasses.asdict(c.type), c.nullable) for c in cls.columns()],
            "rules": [(type(rule).__name__, dataclasses.asdict(rule)) for rule in cls.rules],  # type: ignore[call-overload]
        }
        return hashlib.sha256(json.dumps(declared, sort_keys=True).encode()).hexdigest()[:16]

    @model_validator(mode="after")
    def _keep_the_rules(self, info: ValidationInfo) -> Self:
        values = self.__dict__
        broken = [rule for rule in type(self).rules if rule.broken(values, info.context)]
        if broken:
            raise ValidationError.from_exception_data(
                type(self).__name__,
                [
                    InitErrorDetails(
                        type=PydanticCustomError(rule.type, "broken rule: {rule}", {"rule": rule.says}),
                        loc=(rule.field,),
                        input=values[rule.field],
                    )
                    for rule in broken
                ],
            )
        return self


def _field_type(field: Any) -> FieldType:
    """Find the one FieldType of a field, within `X | None` too; a field that has none is no field of a contract."""
    found = list(_declared(field))
    if len(found) != 1:
        raise TypeError(f"a field of a contract declares one FieldType, this one {len(found)}: {field}")
    return found[0]


def _declared(annotation: Any) -> Iterable[FieldType]:
    for item in (*getattr(annotation, "metadata", ()), *getattr(annotation, "__metadata__", ())):
        if isinstance(item, FieldType):
            yield item
    for inner in getattr(getattr(annotation, "annotation", None), "__args__", ()):
        yield from _declared(inner)


def minor_units(*fields: str) -> tuple[MinorUnit, ...]:
    """Declare the rule of the minor unit for several amounts."""
    return tuple(MinorUnit(field) for field in fields)


def signs(kind: str, sign: int, *fields: str) -> tuple[Sign, ...]:
    """Declare the sign of several amounts of documents of a kind."""
    return tuple(Sign(field, "kind", kind, sign) for field in fields)
