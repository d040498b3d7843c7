"""Trees as the two packages for them keep them: by parent, by numbered edges, by path."""

from django.db import models
from mptt.models import MPTTModel, TreeForeignKey
from treebeard.al_tree import AL_Node
from treebeard.mp_tree import MP_Node
from treebeard.ns_tree import NS_Node


class Folder(MPTTModel):
    """django-mptt: a parent, and the numbers of the two edges."""

    name = models.CharField(max_length=40)
    parent = TreeForeignKey("self", models.CASCADE, null=True, related_name="children")


class Listed(AL_Node):
    """django-treebeard, adjacency list: a parent and a place among its children."""

    parent = models.ForeignKey("self", models.CASCADE, null=True, related_name="children_set")
    sib_order = models.PositiveIntegerField()
    name = models.CharField(max_length=40)


class Pathed(MP_Node):
    """django-treebeard, materialized path."""

    name = models.CharField(max_length=40)


class Nested(NS_Node):
    """django-treebeard, nested sets."""

    name = models.CharField(max_length=40)
