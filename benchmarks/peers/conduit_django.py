"""The article list of Conduit with Django REST Framework, over the very database file that ours serves.

gunicorn --chdir benchmarks/peers conduit_django:application
"""

import os
from datetime import UTC, datetime

import django
from django.conf import settings

settings.configure(
    DEBUG=False,
    ALLOWED_HOSTS=["*"],
    SECRET_KEY="only for the benchmark",
    ROOT_URLCONF=__name__,
    INSTALLED_APPS=["rest_framework"],
    MIDDLEWARE=[],
    USE_TZ=True,
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": os.environ["DATABASE"],
            "CONN_MAX_AGE": None,
        }
    },
    REST_FRAMEWORK={
        "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
        "DEFAULT_AUTHENTICATION_CLASSES": [],
        "UNAUTHENTICATED_USER": None,
    },
)
django.setup()

from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.db import models  # noqa: E402
from django.db.models import Exists, OuterRef  # noqa: E402
from django.urls import path  # noqa: E402
from rest_framework import generics, serializers  # noqa: E402
from rest_framework.pagination import LimitOffsetPagination  # noqa: E402
from rest_framework.response import Response  # noqa: E402


class Base(models.Model):
    class Meta:
        abstract = True
        app_label = "conduit"
        managed = False


class User(Base):
    id = models.TextField(primary_key=True)
    username = models.TextField()

    class Meta(Base.Meta):
        db_table = "accounts_user"


class Profile(Base):
    user = models.OneToOneField(
        User, models.CASCADE, db_column="id", primary_key=True, related_name="profile"
    )
    bio = models.TextField(null=True)
    image = models.TextField(null=True)

    class Meta(Base.Meta):
        db_table = "blog_profile"


class Article(Base):
    slug = models.TextField()
    author = models.ForeignKey(User, models.CASCADE, related_name="+")
    # The same column once more: an author's profile has the author's id, and not everybody has one.
    profile = models.ForeignKey(Profile, models.CASCADE, db_column="author_id", null=True, related_name="+")
    title = models.TextField()
    description = models.TextField()
    tags = models.JSONField()
    publish_at = models.TextField()
    favorites = models.IntegerField()
    created_at = models.TextField()
    updated_at = models.TextField()

    class Meta(Base.Meta):
        db_table = "blog_article"


class Favorite(Base):
    user_id = models.TextField()
    article = models.ForeignKey(Article, models.CASCADE, primary_key=True, related_name="+")

    class Meta(Base.Meta):
        db_table = "blog_favorite"


class Follow(Base):
    follower_id = models.TextField(primary_key=True)
    author_id = models.TextField()

    class Meta(Base.Meta):
        db_table = "blog_follow"


class AuthorSerializer(serializers.Serializer):
    username = serializers.CharField(source="author.username")
    bio = serializers.CharField(source="profile.bio", default=None)
    image = serializers.CharField(source="profile.image", default=None)
    following = serializers.BooleanField()


class ArticleSerializer(serializers.Serializer):
    slug = serializers.CharField()
    title = serializers.CharField()
    description = serializers.CharField()
    tagList = serializers.ListField(source="tags", child=serializers.CharField())
    createdAt = serializers.CharField(source="created_at")
    updatedAt = serializers.CharField(source="updated_at")
    favorited = serializers.BooleanField()
    favoritesCount = serializers.IntegerField(source="favorites")
    author = AuthorSerializer(source="*")


class Pages(LimitOffsetPagination):
    default_limit = 20
    max_limit = 100

    def get_paginated_response(self, data):
        return Response({"articles": data, "articlesCount": self.count})


class Articles(generics.ListAPIView):
    serializer_class = ArticleSerializer
    pagination_class = Pages

    def get_queryset(self):
        now = datetime.now(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"
        viewer = None
        return (
            Article.objects.filter(publish_at__lte=now)
            .select_related("author", "profile")
            .annotate(
                favorited=Exists(Favorite.objects.filter(user_id=viewer, article=OuterRef("pk"))),
                following=Exists(Follow.objects.filter(follower_id=viewer, author_id=OuterRef("author_id"))),
            )
            .order_by("-publish_at", "-id")
        )


urlpatterns = [path("api/articles", Articles.as_view())]
application = get_wsgi_application()
