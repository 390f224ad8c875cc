"""Convert rows to models and back without the checks that Django makes for every value.

This is done only for models without initialisation code of their own, and for values that need no conversion.
"""

from collections.abc import Collection, Sequence
from functools import cache
from typing import Any

from django.db.models import BooleanField, CharField, Field, ForeignKey, IntegerField, Model, TextField
from django.db.models.base import ModelState
from django.db.models.query_utils import DeferredAttribute
from django.db.models.signals import post_init, pre_init

STORED_AS_THEY_ARE: "tuple[tuple[type[Field[Any, Any]], type], ...]" = (
    (CharField, str),
    (TextField, str),
    (IntegerField, int),
    (BooleanField, bool),
    (ForeignKey, int),
)


def take_over() -> None:
    """Create, read and write all rows of this process without those checks."""
    _make()
    _read()
    for field, kind in STORED_AS_THEY_ARE:
        _write(field, kind)


def _make() -> None:
    make_any = Model.__init__

    def make(row: Model, *args: Any, **values: Any) -> None:
        columns = _columns(type(row))
        if args or not values.keys() <= columns.keys():
            make_any(row, *args, **values)
            return
        row._state = ModelState()
        for name, field in columns.items():
            row.__dict__[name] = values[name] if name in values else field.get_default()

    Model.__init__ = make


def _read() -> None:
    read_any = Model.from_db.__func__

    def read(model: type[Model], using: str, names: Collection[str], values: Sequence[Any]) -> Model:
        columns = _columns(model)
        if len(values) != len(columns):
            row: Model = read_any(model, using, names, values)
            return row
        row = model.__new__(model)
        row._state = ModelState()
        row._state.adding = False
        row._state.db = using
        row.__dict__.update(zip(columns, values, strict=True))
        return row

    Model.from_db = classmethod(read)


def _write(field_class: "type[Field[Any, Any]]", kind: type) -> None:
    write_any = field_class.get_db_prep_save

    def write(field: "Field[Any, Any]", value: Any, connection: Any) -> Any:
        return value if type(value) is kind else write_any(field, value, connection)

    field_class.get_db_prep_save = write


@cache
def _columns(model: type[Model]) -> "dict[str, Field[Any, Any]]":
    """Return a model's attributes in column order, or {} if it has initialisation code of its own."""
    columns = {field.attname: field for field in model._meta.concrete_fields}
    is_plain = (
        model.__init__ is Model.__init__
        and not pre_init.has_listeners(model)
        and not post_init.has_listeners(model)
        and all(isinstance(getattr(model, name), DeferredAttribute) for name in columns)
    )
    return columns if is_plain else {}
