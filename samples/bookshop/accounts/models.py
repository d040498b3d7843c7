"""Who shops and who works here."""

from django.contrib.auth.models import AbstractUser
from django.db import models


class User(AbstractUser):
    """A custom user; other rows name it by username, its natural key."""

    invited_by = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.SET_NULL, related_name="guests"
    )
    last_seen = models.DateTimeField(null=True, blank=True)


class ProfileManager(models.Manager):
    def get_by_natural_key(self, username):
        return self.get(user__username=username)


class Profile(models.Model):
    """What a user tells of themself; the user's key is the profile's key too."""

    user = models.OneToOneField(User, on_delete=models.CASCADE, primary_key=True)
    display_name = models.CharField(max_length=80)
    biography = models.TextField(blank=True)
    birthday = models.DateField(null=True, blank=True)
    # None: never asked.
    newsletter = models.BooleanField(null=True, blank=True)
    # SQL NULL: never opened the page; JSON null: opened it and chose nothing.
    preferences = models.JSONField(null=True, blank=True)
    avatar = models.FileField(upload_to="avatars/", blank=True)
    loyalty_points = models.BigIntegerField(default=0)
    changed_at = models.DateTimeField(auto_now=True)

    objects = ProfileManager()

    def __str__(self):
        return self.display_name

    def natural_key(self):
        return self.user.natural_key()

    natural_key.dependencies = ["accounts.user"]
