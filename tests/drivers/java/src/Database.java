import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.Properties;

/** Connections and the few calls that all tests make. */
final class Database {
    private Database() {}

    /** Changes are pairs of name and value on top of the settings from the environment. */
    static Connection connection(String... changes) throws SQLException {
        Properties settings = new Properties();
        settings.setProperty("user", Suite.setting("PGUSER"));
        settings.setProperty("password", Suite.setting("PGPASSWORD"));
        settings.setProperty("sslmode", Suite.setting("PGSSLMODE"));
        if (Suite.overTls()) {
            settings.setProperty("sslrootcert", Suite.setting("PGSSLROOTCERT"));
        }
        for (int i = 0; i < changes.length; i += 2) {
            settings.setProperty(changes[i], changes[i + 1]);
        }
        String url = "jdbc:postgresql://" + Suite.setting("PGHOST") + ":" + Suite.setting("PGPORT") + "/"
                + Suite.setting("PGDATABASE");
        return DriverManager.getConnection(url, settings);
    }

    static void execute(Connection connection, String... statements) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            for (String sql : statements) {
                statement.execute(sql);
            }
        }
    }

    static String one(Connection connection, String sql, Object... parameters) throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement(sql)) {
            for (int i = 0; i < parameters.length; i++) {
                statement.setObject(i + 1, parameters[i]);
            }
            try (ResultSet row = statement.executeQuery()) {
                row.next();
                return row.getString(1);
            }
        }
    }

    static void fails(String sqlstate, Suite.Action action) throws Exception {
        try {
            action.run();
        } catch (SQLException error) {
            Suite.equal(error.getSQLState(), sqlstate, "SQLSTATE of \"" + error.getMessage() + "\"");
            return;
        }
        throw new AssertionError("no error, expected " + sqlstate);
    }
}
