"""Structs of arrays: many things of a kind, one array for each attribute."""

import dataclasses
from collections.abc import Sequence
from typing import Self

import numpy as np

from generator.streams import Array


@dataclasses.dataclass(frozen=True)
class Arrays:
    """The base of structs of arrays: the last axis of each is the thing."""

    def take(self, wanted: Array) -> Self:
        """Keep the things that are chosen by a mask or by their places."""
        places = np.flatnonzero(wanted) if wanted.dtype == np.bool_ else wanted
        return type(self)(**{name: getattr(self, name).take(places, axis=-1) for name in self.names()})

    @classmethod
    def together(cls, parts: Sequence[Self]) -> Self:
        """Put parts behind one another."""
        if len(parts) == 1:
            return parts[0]
        return cls(**{name: np.concatenate([getattr(part, name) for part in parts], axis=-1) for name in cls.names()})

    @classmethod
    def names(cls) -> list[str]:
        """Return the names of the arrays."""
        return [field.name for field in dataclasses.fields(cls)]
