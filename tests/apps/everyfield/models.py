"""A column of every built-in type, and keys of every kind: what verify must tell apart."""

import uuid

from django.contrib.contenttypes.fields import GenericForeignKey
from django.contrib.contenttypes.models import ContentType
from django.db import models


class Everything(models.Model):
    big = models.BigIntegerField(null=True)
    binary = models.BinaryField(null=True)
    boolean = models.BooleanField(null=True)
    char = models.CharField(max_length=50, null=True)
    date = models.DateField(null=True)
    timestamp = models.DateTimeField(null=True)
    decimal = models.DecimalField(max_digits=12, decimal_places=4, null=True)
    duration = models.DurationField(null=True)
    email = models.EmailField(blank=True)
    file = models.FileField(blank=True)
    float = models.FloatField(null=True)
    ip = models.GenericIPAddressField(null=True)
    integer = models.IntegerField(null=True)
    json = models.JSONField(null=True)
    positive = models.PositiveIntegerField(null=True)
    slug = models.SlugField(blank=True)
    small = models.SmallIntegerField(null=True)
    text = models.TextField(blank=True)
    time = models.TimeField(null=True)
    url = models.URLField(blank=True)
    uuid = models.UUIDField(null=True)


class ByText(models.Model):
    name = models.CharField(max_length=40, primary_key=True)
    value = models.IntegerField()


class ByUUID(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    parent = models.ForeignKey("self", models.CASCADE, null=True)
    value = models.IntegerField()
    seen = models.DateTimeField(auto_now=True)


class Remark(models.Model):
    """Points at anything, with an id as text."""

    content_type = models.ForeignKey(ContentType, models.CASCADE)
    object_id = models.CharField(max_length=40)
    about = GenericForeignKey()
    labels = models.ManyToManyField(ByText)


class ContentTypeNote(models.Model):
    """Its key is the id of a content type, which each database gives out itself."""

    content_type = models.OneToOneField(ContentType, models.CASCADE, primary_key=True)
    text = models.CharField(max_length=40)
