require "rails"
require "active_record/railtie"

# What `rails new` writes, without all that is not a database.
class Shop < Rails::Application
  config.root = File.expand_path("..", __dir__)
  config.load_defaults 6.1
  config.eager_load = false
  config.secret_key_base = "not used"
  config.logger = Logger.new(nil)
  # A later run would find the dump of an earlier one.
  config.active_record.dump_schema_after_migration = false
end
