from django.db.backends.mysql import base


class DatabaseWrapper(base.DatabaseWrapper):
    pass
