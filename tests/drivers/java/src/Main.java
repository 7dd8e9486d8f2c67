import java.io.StringReader;
import java.io.StringWriter;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.sql.Types;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import javax.net.ssl.SSLException;
import org.postgresql.PGConnection;
import org.postgresql.PGStatement;
import org.postgresql.copy.CopyManager;

/** pgjdbc: the seven tests. */
public final class Main {
    private Main() {}

    public static void main(String[] arguments) {
        Suite.run("connect", Main::connect);
        Suite.run("simple", Main::simple);
        Suite.run("parameterized", Main::parameterized);
        Suite.run("prepared", Main::prepared);
        Suite.run("pipelined", Main::pipelined);
        Suite.run("copy", Main::copy);
        Suite.run("cancel", Main::cancel);
    }

    private static String connect() throws Exception {
        String[] listening = Suite.overTls() ? new String[] {"sslfactory", "ListeningSslFactory"} : new String[0];
        try (Connection connection = Database.connection(listening)) {
            Suite.equal(Database.one(connection, "SELECT current_user"), Suite.setting("PGUSER"), "current_user");
            Suite.checkLockTimeout(Database.one(connection, "SHOW lock_timeout"));
            Suite.equal(ListeningSslFactory.sawTls(), Suite.overTls(), "TLS in use");
        }
        Database.fails("28P01", () -> Database.connection("password", "not the password").close());
        if (Suite.overTls()) {
            refusesOtherAuthority();
        }
        return null;
    }

    private static void refusesOtherAuthority() throws SQLException {
        try (Connection connection = Database.connection("sslrootcert", Suite.setting("DRIVERS_OTHER_CA"))) {
            throw new AssertionError("connected although another authority signed the certificate: " + connection);
        } catch (SQLException error) {
            Suite.check(error.getCause() instanceof SSLException, "expected a certificate error, got " + error);
        }
    }

    /** By default pgjdbc sends even plain statements by the extended protocol; this test asks for the simple one. */
    private static String simple() throws Exception {
        try (Connection connection = Database.connection("preferQueryMode", "simple")) {
            Suite.equal(results(connection, "SELECT 1; SELECT 'two'; SELECT 3"), List.of("1", "two", "3"),
                    "multi-statement query");
            Database.fails("22012", () -> Database.execute(connection, "SELECT 1/0"));
            Database.fails("42P01", () -> Database.execute(connection, "SELECT * FROM no_such_table"));
            Suite.equal(Database.one(connection, "SELECT 'good again'"), "good again", "query after an error");
            transaction(connection);
        }
        try (Connection connection = Database.connection()) {
            Suite.equal(results(connection, "SELECT 1; SELECT 'two'; SELECT 3"), List.of("1", "two", "3"),
                    "several statements in one extended batch");
            transaction(connection);
        }
        return "preferQueryMode=simple, and once more with the extended protocol that is pgjdbc's default";
    }

    private static List<String> results(Connection connection, String sql) throws SQLException {
        List<String> seen = new ArrayList<>();
        try (Statement statement = connection.createStatement()) {
            for (boolean more = statement.execute(sql); more; more = statement.getMoreResults()) {
                ResultSet row = statement.getResultSet();
                row.next();
                seen.add(row.getString(1));
            }
        }
        return seen;
    }

    private static void transaction(Connection connection) throws Exception {
        connection.setAutoCommit(false);
        Database.execute(connection, "CREATE TEMP TABLE moves (n int)", "INSERT INTO moves VALUES (1)");
        var beforeError = connection.setSavepoint("before_error");
        Database.fails("22012", () -> Database.execute(connection, "INSERT INTO moves VALUES (1/0)"));
        Database.fails("25P02", () -> Database.execute(connection, "SELECT 1"));
        connection.rollback(beforeError);
        Database.execute(connection, "INSERT INTO moves VALUES (2)");
        connection.commit();
        Database.execute(connection, "INSERT INTO moves VALUES (3)");
        connection.rollback();
        Suite.equal(Database.one(connection, "SELECT sum(n) FROM moves"), "3", "sum after commit and rollback");
        connection.commit();
        connection.setAutoCommit(true);
    }

    private static String parameterized() throws Exception {
        byte[] data = Suite.randomBytes();
        try (Connection connection = Database.connection()) {
            Suite.equal(Database.one(connection, "SELECT ?::int + ?::int", -40, 82), "42", "ints");
            Suite.equal(Database.one(connection, "SELECT ?::text", Suite.TEXT), Suite.TEXT, "text");
            Suite.equal(Database.one(connection, "SELECT octet_length(?)", Suite.TEXT),
                    String.valueOf(Suite.TEXT.getBytes("UTF-8").length), "length of the text");
            Suite.equal(Database.one(connection, "SELECT md5(?::bytea)", data), Suite.md5(data), "md5 of the bytea");
            nullAndBytes(connection, data);
        }
        return null;
    }

    private static void nullAndBytes(Connection connection, byte[] data) throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement("SELECT ?::text, ?::bytea")) {
            statement.setNull(1, Types.VARCHAR);
            statement.setBytes(2, data);
            try (ResultSet row = statement.executeQuery()) {
                row.next();
                Suite.equal(row.getString(1), null, "NULL");
                Suite.check(Arrays.equals(row.getBytes(2), data), "bytea differs");
            }
        }
    }

    private static String prepared() throws Exception {
        try (Connection connection = Database.connection("prepareThreshold", "1");
                PreparedStatement statement = connection.prepareStatement("SELECT 1000 + ?")) {
            for (int n = 0; n < Suite.EXECUTIONS; n++) {
                statement.setInt(1, n);
                try (ResultSet row = statement.executeQuery()) {
                    row.next();
                    Suite.equal(row.getInt(1), 1000 + n, "result");
                }
            }
            Suite.check(statement.unwrap(PGStatement.class).isUseServerPrepare(), "not prepared on the server");
            Suite.equal(Database.one(connection, "SELECT count(*) FROM pg_catalog.pg_prepared_statements"
                    + " WHERE statement LIKE 'SELECT 1000 + %'"), "1", "named statements on the server");
        }
        return "prepareThreshold=1";
    }

    private static String pipelined() throws Exception {
        try (Connection connection = Database.connection()) {
            Database.execute(connection, "CREATE TEMP TABLE pipe (n int)");
            int[] counts = batch(connection, 1, 2, 3, 4, 5, 10, 20, 25, 50, 100);
            Suite.equal(Arrays.stream(counts).sum(), 10, "rows that the batch reports");
            Suite.equal(Database.one(connection, "SELECT count(*) FROM pipe"), "10", "rows of the batch");
            Database.fails("22012", () -> batch(connection, 1, 0, 2));
            // One implicit transaction up to the Sync: the error takes the row before it along.
            Suite.equal(Database.one(connection, "SELECT count(*) FROM pipe"), "10", "rows after the failed batch");
            Suite.equal(batch(connection, 4).length, 1, "batch after the failed one");
        }
        return "addBatch() and executeBatch()";
    }

    private static int[] batch(Connection connection, int... divisors) throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement("INSERT INTO pipe VALUES (100 / ?)")) {
            for (int divisor : divisors) {
                statement.setInt(1, divisor);
                statement.addBatch();
            }
            return statement.executeBatch();
        }
    }

    private static String copy() throws Exception {
        String text = Suite.copyText();
        try (Connection connection = Database.connection()) {
            Database.execute(connection, "CREATE TEMP TABLE items (id int, label text)");
            CopyManager copy = connection.unwrap(PGConnection.class).getCopyAPI();
            Suite.equal(copy.copyIn("COPY items FROM STDIN", new StringReader(text)), (long) Suite.ROWS, "rows copied in");
            StringWriter back = new StringWriter();
            copy.copyOut("COPY (SELECT * FROM items ORDER BY id) TO STDOUT", back);
            Suite.check(back.toString().equals(text), "the rows copied out differ");
            Database.fails("22P02",
                    () -> copy.copyIn("COPY items FROM STDIN", new StringReader("1\tgood\nnot a number\tbad\n")));
            Suite.equal(Database.one(connection, "SELECT count(*) FROM items"), String.valueOf(Suite.ROWS),
                    "rows after the failed COPY");
        }
        return null;
    }

    private static String cancel() throws Exception {
        try (Connection connection = Database.connection();
                Connection watcher = Database.connection();
                Statement statement = connection.createStatement()) {
            int pid = connection.unwrap(PGConnection.class).getBackendPID();
            CompletableFuture<String> outcome = CompletableFuture.supplyAsync(() -> sleep(statement));
            Suite.poll("pg_sleep", () -> Database.one(watcher, Suite.SLEEPERS, pid).equals("1"));
            statement.cancel();
            Suite.equal(outcome.get(), "57014", "outcome of the cancelled query");
            Suite.equal(Database.one(connection, "SELECT pg_backend_pid()"), String.valueOf(pid), "backend after the cancel");
        }
        return null;
    }

    private static String sleep(Statement statement) {
        try {
            statement.execute("SELECT pg_sleep(30)");
            return "no error";
        } catch (SQLException error) {
            return error.getSQLState();
        }
    }
}
