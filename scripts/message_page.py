"""Write the tables of ``docs/messages.md`` from the classes: ``python -m scripts.message_page``."""

from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec

from checkout.message_registry import COMMANDS
from checkout.messages import Answer, Command, Done

PAGE = Path(__file__).resolve().parent.parent / "docs" / "messages.md"
BEGIN = "<!-- Made by python -m scripts.message_page -->\n"
END = "<!-- The end of what is made -->\n"


def page(text: str) -> str:
    """Return the text of the page, with the present tables between the two marks."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{tables()}\n{END}{after}"


def tables() -> str:
    """Return the table of commands and the table of answers."""
    answers = dict.fromkeys(each.answer for each in COMMANDS.values() if each.answer is not None)
    del answers[Done]
    return "\n".join(
        [
            "| command | body | answer | if asked again |",
            "|---|---|---|---|",
            *map(_row_of_command, COMMANDS.values()),
            "",
            "| answer | fields |",
            "|---|---|",
            "| done | none |",
            *map(_row_of_answer, answers),
            "",
        ]
    )


def _row_of_command(command: type[Command[Any]]) -> str:
    names = ", ".join(_name_of(field) for field in msgspec.structs.fields(command))
    return f"| `{command.to}` | {names} | {_title_of(command.answer)} | {command.again} |"


def _title_of(answer: type[Answer] | None) -> str:
    if answer is None:
        return "none"
    return "done" if answer is Done else f"`{answer.__name__}`"


def _row_of_answer(answer: type[Answer]) -> str:
    fields = ", ".join(f"{_name_of(field)}{_words_of(field)}" for field in msgspec.structs.fields(answer))
    return f"| `{answer.__name__}` | {fields} |"


def _name_of(field: msgspec.structs.FieldInfo) -> str:
    return f"`{field.name}`" if field.required else f"[`{field.name}`]"


def _words_of(field: msgspec.structs.FieldInfo) -> str:
    is_word = isinstance(field.type, type) and issubclass(field.type, StrEnum)
    return f" ({_in_code(field.type)})" if is_word else ""


def _in_code(words: Iterable[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))
