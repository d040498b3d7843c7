"""The findings of `check` and `verify`: ids, levels, consequences, hints.

A rule never changes its id or its meaning; a new one takes the next number of its group.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from fixturepipe.findings.finding import Example, Finding, Level, SpooledRows


@dataclass(frozen=True)
class Rule:
    """A kind of finding."""

    id: str
    level: Level
    consequence: str
    hint: str

    def finding(
        self,
        model: str = "",
        field: str = "",
        count: int = 1,
        rows: Iterable[Example] = (),
        level: Level | None = None,
        fixed_by: str = "",
        **details: Any,
    ) -> Finding:
        """A finding for a column, a table or the whole database."""
        return Finding(
            self.id,
            level or self.level,
            model,
            field,
            count,
            rows if isinstance(rows, (tuple, SpooledRows)) else tuple(rows),
            self.consequence.format(**details),
            self.hint.format(**details),
            fixed_by,
        )


def _read(text: str) -> dict[str, Rule]:
    form = r"^(FP\d+) (error|warning|note): (.+?)^ +hint: (.+?)(?=^FP|\Z)"
    found: list[tuple[Any, ...]] = re.findall(form, text, re.MULTILINE | re.DOTALL)
    return {rule: Rule(rule, level, *map(_on_one_line, texts)) for rule, level, *texts in found}


def _on_one_line(text: str) -> str:
    return " ".join(text.split())


# As the terminal shows them. The texts may have {names}, which each finding fills in.
RULES = _read("""
FP101 error: The text is longer than the target's column ({limit}): the load would stop.
    hint: Raise max_length in a migration.
FP102 error: The number is out of range for the target's column ({limit}): the load would stop.
    hint: Use a larger integer field, or correct these rows.
FP103 error: The target's column is unsigned and refuses negative numbers: the load would stop.
    hint: Use a signed field, or correct these rows.
FP104 error: The number has more digits than the field allows ({limit}): Django cannot read it.
    hint: Raise max_digits in a migration, or correct these rows.
FP105 error: Django reads the text as NULL, cannot read it as a value of this type, or cannot
        convert it to UTC.
    hint: Correct these rows in the source, then check again.
FP106 warning: The date is before the year 1000, which MySQL and MariaDB do not support officially.
    hint: Check whether the dates are right. The load writes them as they are, and verify compares
        them.
FP107 error: The value is stored with a type other than the column's: the load would stop or change
        it.
    hint: Correct these rows in the source, then check again.
FP108 error: The boolean is neither 0 nor 1: the target would change it.
    hint: Correct these rows in the source, then check again.
FP109 error: The text is not valid JSON: the dump would stop.
    hint: Correct these rows in the source, then check again.
FP110 error: MySQL, MariaDB and JSON have neither NaN nor infinity: the load would stop.
    hint: Correct these rows in the source, then check again.
FP111 error: The text has bytes that are not valid UTF-8: Django cannot read the row.
    hint: Correct these rows in the source, then check again.
FP112 error: MariaDB's uuid column refuses this value: the load would stop.
    hint: Give these rows another UUID, or change the target's column to char(32).
FP113 note: The text has a NUL character, where many programs end a text. It arrives as it is.
    hint: Remove the character if it is there by mistake.
FP114 error: The value is larger than the server's max_allowed_packet ({limit}): the server would
        close the connection.
    hint: Raise max_allowed_packet on the server.
FP115 warning: MySQL and MariaDB replace key 0 with the next number, unless the session's sql_mode
        has NO_AUTO_VALUE_ON_ZERO. `load` sets it; other programs may not.
    hint: Give the row another key if you also load with plain loaddata.
FP116 warning: The value has more digits than the field stores ({limit}). It arrives as Django reads
        it, with fewer digits.
    hint: Ignore this if the digits do not matter.
FP117 error: MySQL stores JSON integers of more than 64 bits as floating point: digits would be
        lost.
    hint: Store such numbers as text.
FP118 error: The target's server or Python refuses this JSON (nested too deep, a number too large, a
        lone surrogate): the load would stop.
    hint: Correct these rows in the source, then check again.
FP119 error: The value is NULL, and the model does not allow that: the load would stop.
    hint: Correct these rows in the source, then check again.
FP120 error: The target's column stores fewer digits than the value has: the value would change.
    hint: Change the column to double precision.
FP121 error: The value has a time zone. MySQL and MariaDB refuse it in a time, and in a datetime
        while USE_TZ is off.
    hint: Correct these rows in the source, then check again.
FP122 note: Django writes this IP address in another form, or refuses it, when it saves the object.
        It arrives as it is.
    hint: Ignore this, or write it as Django does: no spaces, IPv6 shortened and in lower case.
FP123 error: The target's connection stores datetimes in its TIME_ZONE, and this one is in the hour
        that repeats when summer time ends: it would change by an hour.
    hint: Remove TIME_ZONE from the target in DATABASES: Django then stores UTC.
FP124 error: The target's column ({limit}) refuses the value: the load would stop.
    hint: Give the field another type on this server, or correct the values.
FP125 error: The target's column ({limit}) would store another value.
    hint: Give the field a type on this server that keeps the value as it is.
FP126 warning: A number in the JSON has more digits than Python's floats: Django reads it rounded,
        and it arrives rounded.
    hint: Store such numbers as text if the digits matter.

FP201 error: These rows refer to rows of {remote} that do not exist: the target refuses them.
    hint: Correct or delete these rows.
FP202 error: These many-to-many rows refer to rows of {remote} that do not exist: the target refuses
        them.
    hint: Delete these rows.
FP203 error: These values must be unique, and the target treats them as equal ({collation}): the
        load would stop.
    hint: Rename all but one, or give the column a collation in which they differ (db_collation).
FP204 note: These generic foreign keys refer to objects that do not exist. They arrive as they are.
    hint: Ignore this if the objects were deleted on purpose.
FP205 warning: References to these rows use primary keys, not natural keys: {reason}.
    hint: fixturepipe needs no natural keys here, but `dumpdata --natural-foreign` and loaddata may
        fail, or refer to another row.
FP207 note: These rows refer to rows of {remote} that do not exist, which db_constraint=False
        allows.
    hint: Ignore this if it is intended.
FP208 error: Rows share values that must be unique, which the source does not enforce (or it stores
        one UUID in two spellings). The target does: the load would stop.
    hint: Remove the duplicates.
FP209 error: These rows break the target's CHECK constraint {constraint}: the load would stop.
    hint: Correct these rows in the source, then check again. Or leave them out: `fixturepipe run
        --ignore FP209 --on-error reject`.
FP210 warning: Could not tell which rows break the target's CHECK constraint {constraint}
        ({reason}). If one does, the load stops.
    hint: Correct the other findings first, malformed JSON above all, or check these rows yourself.

FP301 note: The target has no tables yet: its schema was not compared with the models.
    hint: `fixturepipe run` migrates it, then compares it.
FP302 error: Source and target do not have the same migrations applied: their tables differ.
    hint: Run `manage.py migrate` on both, with the same code.
FP303 note: The model is not moved: {reason}.
    hint: Ignore this if it is intended.
FP304 warning: No model has this table of the source, so its rows are not moved.
    hint: If it is still in use, add a model for it, or copy it by other means.
FP305 error: The target lacks {what}: the load would stop.
    hint: Run `manage.py migrate` on the target.{otherwise}
FP306 error: The target has a column that the model lacks and that needs a value: the load would
        stop.
    hint: Drop the column, or give it a default value.
FP307 error: The target's column is {actual}, and the model's is {expected}: the load may stop.
    hint: Run `manage.py migrate` on the target, or alter the column.
FP308 error: The target's table is {engine}, which has no transactions and no foreign keys.
    hint: ALTER TABLE {table} ENGINE = InnoDB
FP309 error: Text is stored as {charset}, which lacks characters such as emoji: the load may stop.
    hint: ALTER TABLE {table} CONVERT TO CHARACTER SET utf8mb4
FP310 warning: Text columns have different collations ({collations}): joins between them fail.
    hint: Give all tables the same collation: ALTER TABLE … CONVERT TO CHARACTER SET utf8mb4 COLLATE
        …
FP311 warning: The table's row format is {row_format}, which limits an index to 767 bytes (191
        characters).
    hint: ALTER TABLE {table} ROW_FORMAT = DYNAMIC
FP312 warning: {message}
    hint: {hint}
FP313 warning: The server has no time zone tables: date lookups and Trunc functions fail in
        {time_zone}.
    hint: mysql_tzinfo_to_sql /usr/share/zoneinfo | mysql -u root mysql
FP314 note: The target compares text with {collation}, in which 'a' = 'A'. Unlike on SQLite, this
        applies to every lookup and every unique field.
    hint: Ignore this, or set db_collation on the fields where case matters.
FP315 error: Only PostgreSQL has columns for a {kind}: the target cannot be migrated.
    hint: Remove it, or change it to a JSONField or a related model; migrate the source, then check
        again.
FP316 warning: The target's column is {actual}, and the model's is {expected}: the app has no
        migration for that.
    hint: Ignore this while the numbers fit (FP102 and FP103 name those that do not). Alter the
        column for larger ones.
FP317 error: The target refuses {what}: {reason} ({number}).
    hint: {hint}
FP318 error: The target refuses the index {name} on {columns}: {reason} ({number}).
    hint: {hint}
FP319 error: The target refuses to keep {columns} unique ({name}): {reason} ({number}).
    hint: {hint}
FP320 warning: MySQL refuses {what}: {reason}. MariaDB does not.
    hint: {hint}
FP321 warning: The key of {remote} is {actual} by its migrations, and the model's is {expected}: the
        target refuses a foreign key of another type. `run` gives this column the type {actual}.
    hint: Write the missing migration of {app}: `manage.py makemigrations {app}`.
FP322 warning: The user may not create temporary tables, so `check` could not ask the target whether
        it accepts the project's tables and unique values.
    hint: GRANT CREATE TEMPORARY TABLES ON {database}.* TO {user}
FP323 error: The {what}'s name has a {character}: on MySQL and MariaDB Django cannot query or save
        the model.
    hint: Rename the {what} in a migration, or with db_{what}.
FP324 warning: No field of the model has this column of the source: values of {number} rows are not
        moved.
    hint: If it is still in use, add a field for it, or copy it by other means.
FP325 error: The source's table has no column {column} for this field: a migration is recorded but
        was not run, as after `migrate --fake`.
    hint: Add the column to the source, or leave the model out: --exclude {label}.
FP326 warning: The target does not have the unique constraint {name}, because {reason}: nothing
        keeps these values unique there.
    hint: Enforce it in the project's own code, or with a unique field that is NULL where the
        constraint does not apply.
FP327 error: Another program made the target's tables: its django_migrations.applied is {actual}.
        Django cannot work with such tables.
    hint: Use an empty database: `fixturepipe run` makes the tables with the project's migrations.
FP328 error: Django cannot write the statements that make the table on the target: {reason}.
    hint: Change the model or its fields. A % in db_table_comment is a common cause.
FP329 error: The migration {migration} fails on the target ({operation}: {what}): {reason}.
    hint: `fixturepipe run --schema models` makes the tables from the models as they are now.
FP330 error: The trigger {name} of the target fires {timing} {event} on {table}: it may change what
        the load writes.
    hint: Save what SHOW CREATE TRIGGER {quoted} prints, drop the trigger with DROP TRIGGER
        {quoted}, and create it again after the run. If it changes no rows, ignore this.
FP331 error: The target computes values for this generated column that differ from the source's.
    hint: Write an expression that gives the same on both databases, or ignore this: `verify` then
        names these rows.
FP332 error: The migration {migration} creates the trigger {name} on the target, which fires
        {timing} {event}: it may change what the load writes.
    hint: `fixturepipe run --schema models` makes the tables without it; create it after the run. If
        it changes no rows, ignore this and FP330.
FP333 error: The source has not applied these migrations, but it has all tables and columns of their
        apps: another tool keeps them, or only data is to be migrated.
    hint: Run `manage.py migrate` on the source, or move it as it is: `fixturepipe run --schema
        models` makes the tables from the models, and records the migrations that the source
        records.
FP334 error: The migrations of {app} are behind the model: {what}. The load would stop.
    hint: Write the missing migration (`manage.py makemigrations {app}`), or let `fixturepipe run
        --schema models` make the tables from the models as they are now.
FP335 error: The target cannot compute this generated column for these rows: the load would stop.
    hint: Correct the values that it is computed from, or the expression. `fixturepipe run --ignore
        FP335 --on-error reject` leaves these rows out.
FP336 warning: The target has rows that no run has written. A run refuses them, unless migrations
        have left them.
    hint: Use an empty database, or say what to do with these rows: `fixturepipe run --existing
        update` writes the source's rows over those with the same key, `fixturepipe run --existing
        delete` deletes all of them first.

FP401 warning: The server's sql_mode is not strict ({sql_mode}): the server would silently truncate
        what the site saves. The load uses a strict mode.
    hint: Add STRICT_TRANS_TABLES to sql_mode.
FP402 error: The user lacks privileges that check, migrate or the load need: {missing}.
    hint: GRANT {missing} ON {database}.* TO {user}
FP403 error: The disk of the run directory has {free} free, and the run needs about {needed}.
    hint: Choose a directory on a larger disk with --workdir.
FP404 warning: The target's settings use {charset} for connections: the site would read emoji as
        question marks. fixturepipe itself uses utf8mb4.
    hint: Remove charset from OPTIONS, or change it to utf8mb4.
FP405 error: The target's tables would be made in its default character set {charset}, which lacks
        characters such as emoji.
    hint: ALTER DATABASE {database} CHARACTER SET utf8mb4
FP406 error: The target's settings connect through {driver}, which fixturepipe cannot use.
    hint: Install mysqlclient (`pip install mysqlclient`), and use the engine
        django.db.backends.mysql without pymysql.install_as_MySQLdb(), at least for the move.
FP407 note: The server's buffer pool has {pool}, and the data needs about {needed} with its indexes:
        the load slows down once the pool is full.
    hint: If the machine has the memory, raise it while the server runs: SET GLOBAL
        innodb_buffer_pool_size = {bytes};
FP408 warning: The server makes {engine} tables by default, without transactions and foreign keys.
        `run` makes InnoDB tables; later migrations of the site would not.
    hint: SET GLOBAL default_storage_engine = InnoDB, and the same in the server's configuration.
FP409 error: The server is read-only, as a replica is: the run would stop.
    hint: Connect to the primary server. If this is not a replica: SET GLOBAL read_only = 0
FP410 error: The account may have {most} connections at the same time (max_user_connections): the
        run needs {needed} and would stop.
    hint: ALTER USER {account} WITH MAX_USER_CONNECTIONS {needed}; or raise the server's
        max_user_connections.
FP411 error: The account has {name} {most}, and the run needs about {needed}: it would stop until
        the next hour.
    hint: ALTER USER {account} WITH {name} 0; and set it again after the run.
FP412 error: The server refuses to make a table: {reason} ({number}). The run would stop.
    hint: Correct the server's settings, or make room on its disk, then check again.

FP501 error: These rows of the target refer to rows of {remote} that do not exist: they were written
        while foreign keys were not checked.
    hint: Load them again with foreign keys checked, or correct the rows in the source.
FP502 error: The target's table has no unique index on these columns, so it allows duplicates.
    hint: Migrate the target with the project's own migrations.
FP503 error: Rows of the target share values that must be unique.
    hint: Remove the duplicates, then add the unique index.
FP504 error: The next row gets the key {coming}, but the source has allocated keys up to {mark}:
        links and logs that name a deleted row would lead to a new one.
    hint: ALTER TABLE {table} AUTO_INCREMENT = {start}
FP505 error: The target's table has no foreign key on this column, so it allows dangling references.
    hint: Migrate the target with the project's own migrations.
""")
