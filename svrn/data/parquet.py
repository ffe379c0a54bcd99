"""Parquet files that others wrote: ordinary files, of a size that is said, names that are text."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from svrn.errors import UserError
from svrn.ordinary import ordinary

#: Rows of a list or a manifest, seven times VERI-WILD's; a file of a few bytes can declare billions.
MOST_ROWS = 3_000_000
#: Bytes that the wanted columns may unpack to.
MOST_UNPACKED = 1 << 32
#: Bytes of a name, a path or a label.
MOST_CELL = 1 << 14
#: Floats hold every whole number up to these, and of larger ones not each.
_EXACT = {"halffloat": 2**11, "float": 2**24, "double": 2**53}


@contextmanager
def open_parquet(file: Path, *, texts_once: bool = False) -> Iterator[pq.ParquetFile]:
    """A Parquet file to be read in pieces.

    texts_once: give columns of text as dictionaries, each different text once, as they lie in the file: a text of a
        megabyte in every row takes a megabyte, not a terabyte, until `as_text` has looked how long it is.

    Raises:
        UserError: it is not there, no ordinary file, truncated, or not Parquet.
    """
    try:
        ordinary(file)
        texts: list[str] = []
        if texts_once:
            kinds = pq.read_schema(file)
            texts = [field.name for field in kinds if pa.types.is_string(field.type) or pa.types.is_binary(field.type)]
        with pq.ParquetFile(file, pre_buffer=False, read_dictionary=texts) as parquet:
            yield parquet
    except FileNotFoundError:
        raise UserError("no such file", where=str(file)) from None
    except IsADirectoryError:
        raise UserError("is a folder, a file is wanted", where=str(file)) from None
    except PermissionError:
        raise UserError("no permission to read it", where=str(file), mend=f"chmod u+r {file}") from None
    except (pa.ArrowException, OSError, UnicodeError) as error:
        first = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise UserError(f"not a whole Parquet file: {first}", where=str(file), mend="write it again") from error


def read_parquet(file: Path, *, texts_once: bool = False) -> pa.Table:
    """A Parquet file as an Arrow table; UserError as `open_parquet` says, or where it is larger than is read."""
    with open_parquet(file, texts_once=texts_once) as parquet:
        check_size(parquet, parquet.schema_arrow.names, file)
        return parquet.read()


def check_size(parquet: pq.ParquetFile, columns: list[str], file: Path) -> None:
    """Raise UserError where a file declares more rows or bytes in these columns than are read."""
    facts = parquet.metadata
    if facts.num_rows > MOST_ROWS:
        raise UserError(f"has {facts.num_rows:,} rows, at most {MOST_ROWS:,} are read", where=str(file))
    unpacked = 0
    for group in range(facts.num_row_groups):
        part = facts.row_group(group)
        for number in range(part.num_columns):
            column = part.column(number)
            if column.path_in_schema.partition(".")[0] in columns:
                unpacked += column.total_uncompressed_size
    if unpacked > MOST_UNPACKED:
        raise UserError(f"unpacks to {unpacked:,} bytes, at most {MOST_UNPACKED:,} are read", where=str(file))


def as_text(column: pa.ChunkedArray | pa.Array, name: str, where: str) -> pa.Array:
    """A column as text: 7 is "7" and 7.0 "7.0", as in a CSV of the same table; NaN is an empty cell.

    Raises:
        UserError: lists, structures or the like; bytes that are not UTF-8; floats too large to be whole numbers.
    """
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    kind = array.type
    if pa.types.is_dictionary(kind):
        _check_length(array.dictionary, name, where)
        array, kind = array.dictionary_decode(), kind.value_type
    if pa.types.is_nested(kind):
        raise UserError(f"column {name!r} is {kind}, text or numbers are wanted", where=where)
    _check_length(array, name, where)
    try:
        if pa.types.is_floating(kind):
            return _text_of_floats(array, name, where)
        if pa.types.is_fixed_size_binary(kind):
            array = array.cast(pa.binary())
        text = array.cast(pa.string())
        text.validate(full=True)
        return text
    except (pa.ArrowException, UnicodeError) as error:
        first = (str(error).splitlines() or [""])[0][:200]
        raise UserError(f"column {name!r} is {kind} and cannot be read as text: {first}", where=where) from error


def _check_length(array: pa.Array, name: str, where: str) -> None:
    kind = array.type
    if not (pa.types.is_string(kind) or pa.types.is_binary(kind) or pa.types.is_large_string(kind)):
        return
    longest = pc.max(pc.binary_length(array)).as_py() or 0
    if longest > MOST_CELL:
        raise UserError(
            f"column {name!r} has a cell of {longest:,} bytes, at most {MOST_CELL:,} are read: it holds no names",
            where=where,
        )


def _text_of_floats(array: pa.Array, name: str, where: str) -> pa.Array:
    exact = _EXACT[str(array.type)]
    largest = pc.max(pc.abs(pc.drop_null(array.cast(pa.float64())))).as_py()
    if largest is not None and exact <= largest < float("inf"):
        raise UserError(
            f"column {name!r} is {array.type} and holds {largest:.17g}: of whole numbers from {exact:,} on it does not "
            "keep the last digits, so different ones may have become equal",
            where=where,
            mend="write the column as integers or as text",
        )
    values = cast(list[float | None], array.to_pylist())
    return pa.array([None if value is None or value != value else repr(value) for value in values], pa.string())
