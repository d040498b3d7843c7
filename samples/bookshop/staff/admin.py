from django.contrib import admin

from staff.models import Employee, Shift

admin.site.register([Employee, Shift])
