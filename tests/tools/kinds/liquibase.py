"""Liquibase by its command line, which is a class in its library."""

import install
import layout
from tools import PASSWORD, USER, Tool, run

ROOT_FILE = """<?xml version="1.0" encoding="UTF-8"?>
<databaseChangeLog xmlns="http://www.liquibase.org/xml/ns/dbchangelog" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
    xsi:schemaLocation="http://www.liquibase.org/xml/ns/dbchangelog http://www.liquibase.org/xml/ns/dbchangelog/dbchangelog-latest.xsd">
  <includeAll path="changes" relativeToChangelogFile="true"/>
</databaseChangeLog>
"""
MAIN = "liquibase.integration.commandline.LiquibaseCommandLine"


class Liquibase(Tool):
    name = "liquibase"
    drivers = ("pgjdbc",)

    def install(self):
        self.class_path = install.liquibase()

    def up(self, endpoint, migrations, version=None):
        return self._liquibase(endpoint, migrations, version, "update")

    def down(self, endpoint, migrations):
        count = len(self._changes(migrations))
        return self._liquibase(endpoint, migrations, None, "rollback-count", f"--count={count}")

    def _changes(self, migrations, version=None):
        return layout.own("liquibase", migrations, ".xml", version)

    def _liquibase(self, endpoint, migrations, version, *command):
        changes = {f"changes/{name}": text for name, text in self._changes(migrations, version).items()}
        project = layout.lay_out({"changelog.xml": ROOT_FILE, **changes})
        options = [f"--url={endpoint.url_of(self.name, 'jdbc:postgresql')}", f"--username={USER}", f"--password={PASSWORD}"]
        options += ["--changelog-file=changelog.xml"]
        # It would report its use to its makers.
        environment = {"LIQUIBASE_ANALYTICS_ENABLED": "false"}
        java = ["java", "-cp", self.class_path, MAIN, "--show-banner=false"]
        return run([*java, command[0], *options, *command[1:]], environment, cwd=project)
