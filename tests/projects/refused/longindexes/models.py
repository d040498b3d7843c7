"""Indexes that MySQL refuses, on columns that it takes."""

from django.db import models


class Page(models.Model):
    slug = models.CharField(max_length=1000, unique=True)
    title = models.CharField(max_length=1000, db_index=True)
    text = models.TextField(unique=True)
    short = models.CharField(max_length=20, unique=True)
