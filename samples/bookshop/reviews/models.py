"""Reviews of anything that the shop has a table for."""

from accounts.models import Profile
from django.conf import settings
from django.contrib.contenttypes.fields import GenericForeignKey
from django.contrib.contenttypes.models import ContentType
from django.db import models


class Review(models.Model):
    content_type = models.ForeignKey(ContentType, on_delete=models.CASCADE)
    # Text, because an order's key is a UUID and a book's is a number.
    object_id = models.CharField(max_length=36)
    subject = GenericForeignKey("content_type", "object_id")
    author = models.ForeignKey(Profile, on_delete=models.CASCADE)
    stars = models.PositiveSmallIntegerField()
    headline = models.CharField(max_length=120)
    body = models.TextField(blank=True)
    # None: not looked at yet.
    published = models.BooleanField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes = [models.Index(fields=["content_type", "object_id"], name="reviews_subject")]

    def __str__(self):
        return self.headline


class Vote(models.Model):
    review = models.ForeignKey(Review, on_delete=models.CASCADE)
    voter = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    helpful = models.BooleanField()

    class Meta:
        unique_together = [("review", "voter")]

    def __str__(self):
        return "helpful" if self.helpful else "not helpful"
