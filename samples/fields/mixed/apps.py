from django.apps import AppConfig


class MixedConfig(AppConfig):
    name = "mixed"

    def ready(self):
        import reversion
        from auditlog.registry import auditlog

        from mixed.models import News, Safe

        reversion.register(News)
        auditlog.register(Safe)
