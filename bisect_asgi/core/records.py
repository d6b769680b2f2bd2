"""Values are msgspec structures: immutable, comparable, picklable, and read back from JSON as they are.

A frozen dataclass with slots is compiled anew at each import, which takes forty times as long.
"""

from __future__ import annotations

from msgspec import NODEFAULT, Struct, field
from msgspec.structs import FieldInfo, asdict, fields, replace

__all__ = ["NODEFAULT", "FieldInfo", "Struct", "asdict", "field", "fields", "replace"]
