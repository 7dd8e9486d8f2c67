"""Django's own `manage.py migrate`. The project is migrations/django; a set is a package of migrations in it."""

import install
from layout import MIGRATIONS
from tools import PASSWORD, USER, Tool, run

PROJECT = MIGRATIONS / "django"


class Django(Tool):
    name = "django"
    drivers = ("psycopg",)

    def install(self):
        self.python = install.python_packages()

    def up(self, endpoint, migrations, version=None):
        return self._migrate(endpoint, migrations, f"{version:04}" if version else None)

    def down(self, endpoint, migrations):
        return self._migrate(endpoint, migrations, "zero")

    def _migrate(self, endpoint, migrations, target):
        # It has no URL: DATABASES names the parts.
        environment = {
            "MIGRATIONS_SET": migrations.replace("-", "_"),
            "MIGRATIONS_PORT": str(endpoint.port),
            "MIGRATIONS_DATABASE": endpoint.database,
            "MIGRATIONS_USER": USER,
            "MIGRATIONS_PASSWORD": PASSWORD,
        }
        command = [self.python, PROJECT / "manage.py", "migrate", "--no-color", "shop"]
        return run(command + ([target] if target else []), environment)
