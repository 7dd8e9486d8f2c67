"""Rails' own `rails db:migrate`, in the smallest application that has it."""

import install
import layout
from layout import MIGRATIONS
from tools import Tool, run

FILES = ("Rakefile", "config/application.rb", "config/environment.rb")


class Rails(Tool):
    name = "rails"
    drivers = ("pg",)

    def install(self):
        self.program = install.of_the_system("rake", "ruby-railties, ruby-activerecord and ruby-pg")

    def up(self, endpoint, migrations, version=None):
        return self._rake(endpoint, migrations, "db:migrate", {"VERSION": str(version)} if version else {})

    def down(self, endpoint, migrations):
        return self._rake(endpoint, migrations, "db:migrate", {"VERSION": "0"})

    def _rake(self, endpoint, migrations, task, environment):
        files = {name: (MIGRATIONS / "rails" / name).read_text() for name in FILES}
        files |= {f"db/migrate/{name}": text for name, text in layout.own("rails", migrations, ".rb").items()}
        return run([self.program, task], {"DATABASE_URL": endpoint.url_of(self.name), **environment}, cwd=layout.lay_out(files))
