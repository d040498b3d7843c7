from modeltranslation.translator import TranslationOptions, register

from mixed.models import News


@register(News)
class NewsOptions(TranslationOptions):
    fields = ("title", "text", "count")
