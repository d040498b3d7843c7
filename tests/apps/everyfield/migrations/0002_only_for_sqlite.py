"""Chooses its operations while it is imported, as a search index for several servers does."""

from django.db import connection, migrations


class Migration(migrations.Migration):
    dependencies = [("everyfield", "0001_initial")]

    operations = (
        [migrations.RunSQL("PRAGMA user_version = 7", migrations.RunSQL.noop)]
        if connection.vendor == "sqlite"
        else []
    )
