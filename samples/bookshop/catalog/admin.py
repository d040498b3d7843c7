from django.contrib import admin

from catalog.models import Author, Book, Category, Magazine, Product, Publisher, Tag

admin.site.register([Author, Book, Category, Magazine, Product, Publisher, Tag])
