"""Tools of Node's world. knex and node-pg-migrate have migrations of their own; for the others the shared SQL is wrapped."""

import json

import install
import layout
from tools import Tool, run


class OfNode(Tool):
    def install(self):
        self.program = install.node_program(self.program_name)

    def run(self, endpoint, directory, *arguments):
        """In the directory of the project; its configuration reads the URL from the environment, as such files do."""
        environment = {"DATABASE_URL": endpoint.url_of(self.name), "NO_COLOR": "1"}
        return run([self.program, *arguments], environment, cwd=directory)


class NodePgMigrate(OfNode):
    name = "node-pg-migrate"
    program_name = "node-pg-migrate"
    drivers = ("pg",)

    def up(self, endpoint, migrations, version=None):
        return self._migrate(endpoint, migrations, "up", version)

    def down(self, endpoint, migrations):
        return self._migrate(endpoint, migrations, "down", len(self._files(migrations)))

    def _migrate(self, endpoint, migrations, direction, count):
        directory = layout.lay_out({f"migrations/{name}": text for name, text in self._files(migrations).items()}, layout.NODE_HOME)
        return self.run(endpoint, directory, direction, *([str(count)] if count else []))

    def _files(self, migrations):
        return layout.own("node-pg-migrate", migrations, ".js")


KNEXFILE = """module.exports = { client: "pg", connection: process.env.DATABASE_URL };
"""


class Knex(OfNode):
    name = "knex"
    program_name = "knex"
    drivers = ("pg",)

    def up(self, endpoint, migrations, version=None):
        return self.run(endpoint, self._project(migrations, version), "migrate:latest")

    def down(self, endpoint, migrations):
        return self.run(endpoint, self._project(migrations), "migrate:rollback", "--all")

    def _project(self, migrations, version=None):
        files = {f"migrations/{name}": text for name, text in layout.own("knex", migrations, ".js", version).items()}
        return layout.lay_out({"knexfile.js": KNEXFILE, **files}, layout.NODE_HOME)


DATA_SOURCE = """const { DataSource } = require("typeorm");

module.exports = new DataSource({ type: "postgres", url: process.env.DATABASE_URL, migrations: ["migrations/*.js"] });
"""


class TypeOrm(OfNode):
    """Its `migration:generate` writes the statements out, as here."""

    name = "typeorm"
    program_name = "typeorm"
    drivers = ("pg",)

    def up(self, endpoint, migrations, version=None):
        return self.run(endpoint, self._project(migrations, version), "migration:run", "-d", "data-source.js")

    def down(self, endpoint, migrations):
        # It goes back one migration at a time.
        for _ in layout.shared(migrations):
            last = self.run(endpoint, self._project(migrations), "migration:revert", "-d", "data-source.js")
            if last.code != 0:
                break
        return last

    def _project(self, migrations, version=None):
        files = {f"migrations/{each.title}.js": _type_orm_class(each) for each in layout.shared(migrations, version)}
        return layout.lay_out({"data-source.js": DATA_SOURCE, **files}, layout.NODE_HOME)


def _type_orm_class(migration):
    words = "".join(word.capitalize() for word in migration.name.split("_"))
    # The name ends with the time in milliseconds, which gives the order.
    return f"""module.exports = class {words}{1700000000000 + migration.number} {{
{_type_orm_method("up", migration.up)}
{_type_orm_method("down", migration.down)}
}};
"""


def _type_orm_method(name, sql):
    calls = [f"    await queryRunner.query({json.dumps(statement)});" for statement in layout.statements(sql)]
    return "\n".join([f"  async {name}(queryRunner) {{", *calls, "  }"])


DRIZZLE_CONFIG = """module.exports = { dialect: "postgresql", out: "./drizzle", dbCredentials: { url: process.env.DATABASE_URL } };
"""
DRIZZLE_PROGRAM = """const { drizzle } = require("drizzle-orm/node-postgres");
const { migrate } = require("drizzle-orm/node-postgres/migrator");

const database = drizzle(process.env.DATABASE_URL);
migrate(database, { migrationsFolder: "./drizzle" }).finally(() => database.$client.end());
"""


class Drizzle(OfNode):
    """Its files are SQL with a mark between statements, and a journal that gives their order. They are run by its command line, or by its library."""

    name = "drizzle"
    program_name = "drizzle-kit"
    drivers = ("kit", "orm")
    can_go_down = False

    def __init__(self, driver):
        super().__init__(driver)
        # The command line swallows every error, also PostgreSQL's own; only its exit code tells.
        self.shows_errors = driver == "orm"

    def up(self, endpoint, migrations, version=None):
        project = self._project(migrations, version)
        if self.driver == "kit":
            return self.run(endpoint, project, "migrate", "--config", "drizzle.config.js")
        return run(["node", "migrate.js"], {"DATABASE_URL": endpoint.url_of(self.name)}, cwd=project)

    def _project(self, migrations, version=None):
        changes = layout.shared(migrations, version)
        files = {f"drizzle/{each.title}.sql": ";\n--> statement-breakpoint\n".join(layout.statements(each.up)) for each in changes}
        entries = [{"idx": place, "version": "7", "when": 1700000000000 + place, "tag": each.title, "breakpoints": True}
                   for place, each in enumerate(changes)]
        files["drizzle/meta/_journal.json"] = json.dumps({"version": "7", "dialect": "postgresql", "entries": entries}, indent=2)
        return layout.lay_out({"drizzle.config.js": DRIZZLE_CONFIG, "migrate.js": DRIZZLE_PROGRAM, **files}, layout.NODE_HOME)
