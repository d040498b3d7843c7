from django.contrib import admin

from history.models import PriceChange

admin.site.register([PriceChange])
