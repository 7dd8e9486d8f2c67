"""The least that a project needs; which set of migrations and which database come from the environment."""

import os

SECRET_KEY = "not used"
INSTALLED_APPS = ["shop"]
MIGRATION_MODULES = {"shop": f"shop.{os.environ['MIGRATIONS_SET']}"}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": "127.0.0.1",
        "PORT": os.environ["MIGRATIONS_PORT"],
        "NAME": os.environ["MIGRATIONS_DATABASE"],
        "USER": os.environ["MIGRATIONS_USER"],
        "PASSWORD": os.environ["MIGRATIONS_PASSWORD"],
    }
}
