"""The findings that `check` knows: ids, levels, what will happen, what to do.

A rule never changes its id or its meaning; a new one takes the next number of its group.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fixturepipe.findings.finding import EXAMPLES, Example, Finding, Level


@dataclass(frozen=True)
class Rule:
    """A kind of finding. The texts may hold {names}, filled in for each finding."""

    id: str
    level: Level
    consequence: str
    hint: str

    def finding(
        self,
        model: str,
        field: str,
        count: int = 1,
        examples: Sequence[Example] = (),
        level: Level | None = None,
        fixed_by: str = "",
        **details: Any,
    ) -> Finding:
        """The rule's finding for a column, a table or the whole."""
        return Finding(
            self.id,
            level or self.level,
            model,
            field,
            count,
            tuple(examples[:EXAMPLES]),
            self.consequence.format(**details),
            self.hint.format(**details),
            fixed_by,
        )


def _rules(*rules: Rule) -> dict[str, Rule]:
    return {rule.id: rule for rule in rules}


_CORRECT = "Correct these rows in the source, then check again."

RULES = _rules(
    Rule(
        "FP101",
        "error",
        "The text is longer than the target's column takes ({limit}): the load would stop.",
        "Raise max_length in a migration.",
    ),
    Rule(
        "FP102",
        "error",
        "The number is out of the column's range ({limit}): the load would stop.",
        "Use a larger integer field, or correct these rows.",
    ),
    Rule(
        "FP103",
        "error",
        "The column is unsigned in the target and takes no negative number: the load would stop.",
        "Use a signed field, or correct these rows.",
    ),
    Rule(
        "FP104",
        "error",
        "The number has more digits than the field allows ({limit}): Django cannot read it.",
        "Raise max_digits in a migration, or correct these rows.",
    ),
    Rule(
        "FP105",
        "error",
        "Django cannot read the text as this kind of value, reads it as NULL, or has no such date"
        " in UTC.",
        _CORRECT,
    ),
    Rule(
        "FP106",
        "warning",
        "The date lies before the year 1000, where MySQL and MariaDB promise nothing.",
        "See that the dates are meant; the load writes them as they are and verify compares them.",
    ),
    Rule(
        "FP107",
        "error",
        "The value is stored as another type than the column's: the load would stop or change it.",
        _CORRECT,
    ),
    Rule(
        "FP108",
        "error",
        "The boolean is neither 0 nor 1; Django reads it as it is, and the target would change it.",
        _CORRECT,
    ),
    Rule("FP109", "error", "The text is not JSON: the dump would stop.", _CORRECT),
    Rule(
        "FP110",
        "error",
        "NaN and infinity exist in neither MySQL nor MariaDB, nor in JSON: the load would stop.",
        _CORRECT,
    ),
    Rule(
        "FP111",
        "error",
        "The text holds bytes that are not UTF-8: Django cannot read the row.",
        _CORRECT,
    ),
    Rule(
        "FP112",
        "error",
        "MariaDB's uuid column refuses this value: the load would stop.",
        "Give these rows another UUID, or make the target's column char(32).",
    ),
    Rule(
        "FP113",
        "note",
        "The text holds a NUL character, at which many programs cut it; it arrives as it is.",
        "Remove it if it is not meant.",
    ),
    Rule(
        "FP114",
        "error",
        "The value is larger than the server takes in one statement ({limit}): it would close the"
        " connection.",
        "Raise max_allowed_packet at the server.",
    ),
    Rule(
        "FP115",
        "warning",
        "MySQL takes key 0 for `the next number` unless told otherwise; `load` tells it, but other"
        " programs will not.",
        "Give the row another key if you also load with plain loaddata.",
    ),
    Rule(
        "FP116",
        "warning",
        "The number has more digits than the field keeps ({limit}): Django has always read it"
        " rounded, and rounded it arrives.",
        "Nothing, if the digits are noise.",
    ),
    Rule(
        "FP117",
        "error",
        "MySQL keeps JSON integers beyond 64 bits as floating point: digits would be lost.",
        "Store such numbers as text.",
    ),
    Rule(
        "FP118",
        "error",
        "The target's server, or Python, does not take this JSON (nested too deep, a number too"
        " large, half a surrogate pair): the load would stop.",
        _CORRECT,
    ),
    Rule(
        "FP119",
        "error",
        "The value is NULL where the model forbids it: the load would stop.",
        _CORRECT,
    ),
    Rule(
        "FP120",
        "error",
        "The target's column keeps fewer digits than the value has: it would change.",
        "Make the column double precision.",
    ),
    Rule(
        "FP121",
        "error",
        "The value carries a time zone, which MySQL and MariaDB refuse in a time of day, and in a"
        " moment while USE_TZ is off.",
        _CORRECT,
    ),
    Rule(
        "FP122",
        "error",
        "Django writes this IP address in another way when it is loaded: it would change.",
        "Write it as Django does: without spaces, IPv6 short and in lower case.",
    ),
    Rule(
        "FP201",
        "error",
        "These rows point at rows of {remote} that do not exist: the target refuses them.",
        "Correct or delete these rows.",
    ),
    Rule(
        "FP202",
        "error",
        "These many-to-many links lead to rows of {remote} that do not exist: the target refuses"
        " them.",
        "Delete these links.",
    ),
    Rule(
        "FP203",
        "error",
        "The target takes these values for the same ({collation}), and they must be unique: the"
        " load would stop.",
        "Rename one of each, or give the column a collation that tells them apart (db_collation).",
    ),
    Rule(
        "FP204",
        "note",
        "These generic foreign keys point at nothing. No database minds; they arrive as they are.",
        "Nothing, if the objects were deleted on purpose.",
    ),
    Rule(
        "FP205",
        "warning",
        "What points at these rows goes by primary key, not by natural key: {reason}.",
        "Nothing for fixturepipe; plain dumpdata and loaddata would fail or link another row.",
    ),
    Rule(
        "FP207",
        "note",
        "These rows point at rows of {remote} that do not exist, which db_constraint=False allows.",
        "Nothing, if that is meant.",
    ),
    Rule(
        "FP208",
        "error",
        "Rows share values that the model keeps unique; the source has no such constraint, or holds"
        " a UUID in two spellings, the target has one: the load would stop.",
        "Remove the duplicates.",
    ),
    Rule(
        "FP209",
        "error",
        "These rows break the target's CHECK constraint {constraint}: the load would stop.",
        _CORRECT,
    ),
    Rule(
        "FP210",
        "warning",
        "Which rows break the target's constraint {constraint} cannot be told beforehand"
        " ({reason}): where one does, the load stops.",
        "Correct what is named besides (malformed JSON above all), or look at these rows yourself.",
    ),
    Rule(
        "FP301",
        "note",
        "The target has no tables yet: its schema and what only it can judge were not checked.",
        "Migrate it, or let `fixturepipe run` do so before it checks.",
    ),
    Rule(
        "FP302",
        "error",
        "Source and target are not at the same migrations: their tables differ.",
        "Run `manage.py migrate` on both with the same code.",
    ),
    Rule("FP303", "note", "The model is left out: {reason}.", "Nothing, if that is meant."),
    Rule(
        "FP304",
        "warning",
        "No model has this table of the source, so its rows stay behind.",
        "Copy it by other means if it is still in use, or give it a model.",
    ),
    Rule(
        "FP305",
        "error",
        "The target lacks {what}: the load would stop.",
        "Run `manage.py migrate` on the target.{otherwise}",
    ),
    Rule(
        "FP306",
        "error",
        "The target has a column that the model lacks and that must be given: the load would stop.",
        "Drop the column, or give it a default.",
    ),
    Rule(
        "FP307",
        "error",
        "The target's column is {actual}; the model makes it {expected}.",
        "Run `manage.py migrate` on the target, or alter the column.",
    ),
    Rule(
        "FP308",
        "error",
        "The target's table is {engine}, which has no transactions and no foreign keys.",
        "ALTER TABLE {table} ENGINE = InnoDB",
    ),
    Rule(
        "FP309",
        "error",
        "Text is kept in {charset}, which lacks characters: emoji at least would be refused.",
        "ALTER TABLE {table} CONVERT TO CHARACTER SET utf8mb4",
    ),
    Rule(
        "FP310",
        "warning",
        "Text columns are compared in different ways ({collations}): joining them fails.",
        "ALTER TABLE … CONVERT TO CHARACTER SET utf8mb4 COLLATE …, the same for all.",
    ),
    Rule(
        "FP311",
        "warning",
        "The table's row format is {row_format}: indexes take 767 bytes, 191 characters, at most.",
        "ALTER TABLE {table} ROW_FORMAT = DYNAMIC",
    ),
    Rule("FP312", "warning", "{message}", "{hint}"),
    Rule(
        "FP313",
        "warning",
        "The server has no time zone tables: look-ups by date and Trunc functions fail in"
        " {time_zone}.",
        "mysql_tzinfo_to_sql /usr/share/zoneinfo | mysql -u root mysql",
    ),
    Rule(
        "FP314",
        "note",
        "The target compares text by {collation}: there 'a' = 'A', and unlike in SQLite every"
        " look-up by text and every unique field goes by that.",
        "Nothing, or db_collation where it matters.",
    ),
    Rule(
        "FP315",
        "error",
        "The field is of PostgreSQL's own kind {kind}, for which the target has no column:"
        " it cannot be migrated.",
        "Make it a JSONField or a model of its own in the project, migrate the source, and check"
        " again.",
    ),
    Rule(
        "FP316",
        "warning",
        "The target's column is {actual}; the model makes it {expected}: the app has no migration"
        " that says so.",
        "Nothing, while the numbers fit (FP102 and FP103 name those that do not). For larger ones,"
        " alter the column.",
    ),
    Rule(
        "FP401",
        "warning",
        "The server's sql_mode is not strict ({sql_mode}): the site would have values cut in"
        " silence. The load itself asks for strictness.",
        "Add STRICT_TRANS_TABLES to sql_mode.",
    ),
    Rule(
        "FP402",
        "error",
        "The user lacks privileges that check, migrate or the load need: {missing}.",
        "GRANT {missing} ON {database}.* TO {user}",
    ),
    Rule(
        "FP403",
        "error",
        "The run directory's disk has {free} free, and the run is estimated to take {needed}.",
        "Name a larger one with --workdir.",
    ),
    Rule(
        "FP404",
        "warning",
        "The target's settings connect in {charset}: the site would read characters that it lacks,"
        " emoji at least, as question marks. fixturepipe itself connects in utf8mb4.",
        "Take it out of OPTIONS, or make it utf8mb4.",
    ),
    Rule(
        "FP501",
        "error",
        "These rows refer to rows of {remote} that do not exist; the database was told not to look"
        " when they were written.",
        "Load again with foreign keys checked, or fix the rows in the source.",
    ),
    Rule(
        "FP502",
        "error",
        "The target's table has no unique index on these columns: it will take duplicates.",
        "Migrate the target with the project's own migrations.",
    ),
    Rule(
        "FP503",
        "error",
        "The target holds rows that share values which the model keeps unique.",
        "Remove the duplicates, then add the unique index.",
    ),
    Rule(
        "FP504",
        "error",
        "The next row gets key {coming}, but the source has allocated keys up to {mark}: links and"
        " logs that name an old row would find a new one.",
        "ALTER TABLE {table} AUTO_INCREMENT = {start}",
    ),
    Rule(
        "FP505",
        "error",
        "The target's table has no foreign key on this column: it will take rows that refer to"
        " nothing.",
        "Migrate the target with the project's own migrations.",
    ),
)
