"""The member of staff in whose name a command acts, with the same rights as in the back office."""

from django.contrib.auth import get_user_model
from django.core.management.base import CommandError, CommandParser
from django.db.models import QuerySet

from checkout.audit.log import COMMAND_LINE, Author
from checkout.backoffice.rights.merchants import M, visible


def add_argument(parser: CommandParser, *, required: bool = True) -> None:
    """Declare the argument ``--by``, the user's name."""
    parser.add_argument("--by", required=required, metavar="USER", help="the member of staff who does it")


def require(name: str, permission: str) -> Author:
    """Return the active member of staff called ``name`` who has ``permission``. Raises CommandError."""
    user = get_user_model()._default_manager.filter(username=name).first()
    if user is None or not user.is_active or not user.is_staff:
        raise CommandError(f"There is no active member of staff called {name!r}.")
    if not user.has_perm(permission):
        raise CommandError(f"{name} may not do this: the permission {permission} is missing.")
    return Author(user.get_username(), user.pk, COMMAND_LINE)


def visible_to(author: Author, rows: QuerySet[M]) -> QuerySet[M]:
    """Filter ``rows`` to those of merchants whose data the user sees."""
    return visible(rows, get_user_model()._default_manager.get(username=author.name))
