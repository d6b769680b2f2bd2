"""The base class of all values: msgspec's structures.

They are immutable, comparable and picklable, and are written to JSON and read back. A frozen dataclass with
slots would do as well, but Python generates its code at each import, which takes forty times as long.
"""

from __future__ import annotations

from msgspec import NODEFAULT, Struct, field
from msgspec.structs import FieldInfo, asdict, fields, replace

__all__ = ["NODEFAULT", "FieldInfo", "Struct", "asdict", "field", "fields", "replace"]
