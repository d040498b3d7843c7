from django.contrib import admin

from shop.models import Coupon, Order, ShippingMethod, Warehouse

admin.site.register([Coupon, Order, ShippingMethod, Warehouse])
