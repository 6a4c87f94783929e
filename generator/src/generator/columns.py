"""From numbers to the columns of a landing file, and from these to canonical CSV."""

import io
from collections.abc import Sequence
from decimal import Decimal

import numpy as np
import polars as pl

from generator.streams import Array


def words(pool: Sequence[str | None] | pl.Series, chosen: Array, valid: Array | None = None) -> pl.Series:
    """Look words up in a pool; null where not valid."""
    series = pool if isinstance(pool, pl.Series) else pl.Series(pool, dtype=pl.String)
    return _where(series.gather(pl.Series(np.asarray(chosen).astype(np.uint32))), valid)


def codes(prefix: str | pl.Series, numbers: Array, valid: Array | None = None) -> pl.Series:
    """Write ids: a prefix, one for all or one each, and a number."""
    column = pl.select(pl.lit(prefix) + pl.Series(numbers, dtype=pl.Int64).cast(pl.String)).to_series()
    return _where(column, valid)


def whole(numbers: Array, valid: Array | None = None) -> pl.Series:
    """Write whole numbers."""
    return _where(pl.Series(np.asarray(numbers).astype(np.int64)), valid)


def flags(true: Array, valid: Array | None = None) -> pl.Series:
    """Write true and false."""
    return _where(pl.Series(np.asarray(true, dtype=np.bool_)), valid)


def decimals(units: Array, digits: int, valid: Array | None = None) -> pl.Series:
    """Write whole units of 10^-digits as plain decimals."""
    series = pl.Series(np.asarray(units).astype(np.int64)).cast(pl.Decimal(38, 0))
    column = pl.select(series * pl.lit(Decimal(1).scaleb(-digits))).to_series() if digits else series
    return _where(column, valid)


def amounts(minor: Array, currency: Array, minor_units: Array, valid: Array | None = None) -> pl.Series:
    """Write amounts in minor units, each with the digits of its currency, an index into the shop's `minor_units`."""
    used = np.unique(minor_units)
    if len(used) == 1:
        return decimals(minor, int(used[0]), valid)
    digits = pl.Series(minor_units[currency])
    written = [pl.when(digits == int(one)).then(decimals(minor, int(one)).cast(pl.String)) for one in used]
    return _where(pl.select(pl.coalesce(written)).to_series(), valid)


def datetimes(seconds: Array, valid: Array | None = None) -> pl.Series:
    """Write seconds since 1970 as times of UTC."""
    micros = pl.Series(np.asarray(seconds).astype(np.int64) * 1_000_000)
    return _where(micros.cast(pl.Datetime("us")), valid)


def canonical_csv(table: pl.DataFrame) -> bytes:
    """Write a table as canonical CSV without its header: UTF-8, LF, quotes only where needed, times with Z."""
    buffer = io.BytesIO()
    table.write_csv(buffer, include_header=False, datetime_format="%Y-%m-%dT%H:%M:%SZ", quote_style="necessary")
    return buffer.getvalue()


def _where(column: pl.Series, valid: Array | None) -> pl.Series:
    if valid is None:
        return column
    mask = pl.Series(np.asarray(valid, dtype=np.bool_))
    return pl.select(pl.when(mask).then(column)).to_series()
