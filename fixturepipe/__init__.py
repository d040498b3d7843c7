"""fixturepipe moves a Django application's data from SQLite to MySQL or MariaDB through
Django's own fixtures, and proves that nothing was lost.
"""

__version__ = "0.1.0"
__all__ = ["__version__"]
