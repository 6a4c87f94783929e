import io

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestor.validate import seen
from ingestor.validate.seen import Seen
from ingestor.validate.versions import Versions
from libs.errors import StageError

BLOCKS = st.lists(st.lists(st.integers(0, 40).map(lambda n: f"é{n}" * (n % 3 + 1)), max_size=12), max_size=12)


@given(BLOCKS, st.integers(1, 30), st.integers(1, 3), st.sampled_from([0, 1, 3, 64]))
def test_what_was_seen_is_what_versions_remember(blocks: list[list[str]], run: int, fence: int, bits: int) -> None:
    def weak(versions: pl.Series) -> seen.Hashes:
        return hashed(versions) & np.uint64(2**bits - 1)

    hashed, reference = seen.hashed, Versions()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(seen, "hashed", weak)
        patch.setattr(seen, "RUN", run)
        patch.setattr(seen, "_FENCE", fence)
        found, number = Seen(), 1
        for block in blocks:
            numbers = np.arange(number, number + 2 * len(block), 2)
            expected = {
                index: earlier
                for index, (version, row) in enumerate(zip(block, numbers.tolist(), strict=True))
                if (earlier := reference.earlier(version, row)) is not None
            }
            assert found.earlier(pl.Series(block, dtype=pl.String), numbers) == expected
            number += 2 * len(block)
        found.close()
    reference.close()


def test_the_filter_takes_few_new_versions_for_known_ones() -> None:
    known = seen._Filter()
    hashes = seen.hashed(pl.Series(range(400_000)).cast(pl.String))
    known.add(hashes[:200_000])
    assert known.suspects(hashes[:200_000]).all()
    assert known.suspects(hashes[200_000:]).sum() < 100


def test_where_versions_cannot_go_to_disk_the_run_fails_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(io.BytesIO):
        def write(self, data: object, /) -> int:
            raise OSError(28, "No space left on device", data)

    monkeypatch.setattr(seen.tempfile, "TemporaryFile", lambda **_: Full())
    found = Seen()
    found.earlier(pl.Series(["a"]), np.array([1]))
    with pytest.raises(StageError, match=r"cannot remember the keys of the file .*: is the temporary folder full"):
        found.earlier(pl.Series(["b"]), np.array([2]))
