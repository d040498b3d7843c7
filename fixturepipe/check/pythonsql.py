"""The SQL that a migration's Python code sends to one kind of server, as far as its text tells.

Code that makes an index or a trigger often has a branch for PostgreSQL and one for all others, in
the words of SQLite. Only literals that are certain to be sent count: branches that depend on the
server's kind are chosen, and loops, other conditions and texts that are put together are not read.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any

# "createcachetable" and "Create default groups" are no statements.
_CHANGES_SCHEMA = re.compile(
    r"\s*(?:CREATE|ALTER|DROP|RENAME)\s+"
    r"(?:(?:OR\s+REPLACE|UNIQUE|FULLTEXT|SPATIAL|TEMP|TEMPORARY|VIRTUAL|MATERIALIZED"
    r"|DEFINER\s*=\s*\S+)\s+)*"
    r"(?:TABLE|INDEX|VIEW|TRIGGER|FUNCTION|PROCEDURE|SEQUENCE|SCHEMA|EXTENSION)\b",
    re.IGNORECASE,
)
_PUT_TOGETHER = (ast.JoinedStr, ast.BinOp, ast.Lambda, ast.ListComp, ast.GeneratorExp, ast.IfExp)


def schema_statements(code: Callable[..., Any], vendor: str) -> list[str]:
    """The statements with which the code, and functions of its module, change the schema.

    `vendor` is the server's kind, as `connection.vendor` has it. Empty where no text is found.
    """
    with suppress(OSError, TypeError, SyntaxError):
        module = inspect.getmodule(code)
        if module is not None:
            body = ast.parse(inspect.getsource(module)).body
            functions = (node for node in body if isinstance(node, ast.FunctionDef))
            reader = _Reader(functions, vendor)
            reader.read_function(code.__name__)
            return reader.found
    return []


class _Reader:
    """Reads functions as they run on one kind of server; `found` has their statements."""

    def __init__(self, functions: Iterable[Any], vendor: str) -> None:
        self._unread = {function.name: function for function in functions}
        self._vendor = vendor
        self.found: list[str] = []

    def read_function(self, name: str) -> None:
        function = self._unread.pop(name, None)
        if function is not None:
            self._read_block(function.body)

    def _read_block(self, statements: Iterable[ast.stmt]) -> bool:
        """Whether the function may end in the block, so that what follows is not certain."""
        for statement in statements:
            if isinstance(statement, ast.If):
                ends = self._read_condition(statement)
            elif isinstance(statement, ast.With):
                ends = self._read_block(statement.body)
            else:
                ends = _may_end(statement)
                self._read_expression(_value(statement))
            if ends:
                return True
        return False

    def _read_condition(self, statement: ast.If) -> bool:
        holds = self._holds(statement.test)
        if holds is None:
            return _may_end(statement)
        return self._read_block(statement.body if holds else statement.orelse)

    def _read_expression(self, expression: ast.expr | None) -> None:
        for node in _certain(expression):
            if isinstance(node, ast.Name):
                self.read_function(node.id)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                self.found += [node.value] if _is_statement(node.value) else []

    def _holds(self, test: ast.expr) -> bool | None:
        """Whether a condition holds on this kind of server; None if it is about something else."""
        if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
            holds = self._holds(test.operand)
            return None if holds is None else not holds
        if not isinstance(test, ast.Compare) or not ast.unparse(test.left).endswith("vendor"):
            return None
        with suppress(ValueError, TypeError):
            named = ast.literal_eval(test.comparators[0])
            is_named = self._vendor in ((named,) if isinstance(named, str) else named)
            return is_named if isinstance(test.ops[0], (ast.Eq, ast.In)) else not is_named
        return None


def _value(statement: ast.stmt) -> ast.expr | None:
    """What a simple statement evaluates; None for others, and for a docstring."""
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
        return None
    return statement.value if isinstance(statement, (ast.Expr, ast.Assign, ast.Return)) else None


def _may_end(statement: ast.stmt) -> bool:
    return any(isinstance(node, (ast.Return, ast.Raise)) for node in ast.walk(statement))


def _certain(expression: ast.expr | None) -> Iterator[ast.AST]:
    """The names and literals in an expression, without those that it puts together."""
    waiting: list[ast.AST] = [expression] if expression is not None else []
    while waiting:
        node = waiting.pop(0)
        if isinstance(node, _PUT_TOGETHER):
            continue
        yield node
        waiting += ast.iter_child_nodes(node)


def _is_statement(value: str) -> bool:
    # Braces and percent signs are for format() and for parameters.
    if "{" in value or "%" in value:
        return False
    return _CHANGES_SCHEMA.match(value) is not None
