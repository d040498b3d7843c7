"""The Django app: installing it adds `manage.py fixturepipe`; it has no models."""

from django.apps import AppConfig


class FixturepipeConfig(AppConfig):
    """fixturepipe as an installed app."""

    name = "fixturepipe"
