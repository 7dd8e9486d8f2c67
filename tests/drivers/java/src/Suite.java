import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.SecureRandom;
import java.util.HexFormat;
import java.util.Objects;

/** The result lines, the settings from the environment and the test data. */
final class Suite {
    static final int ROWS = 10_000;
    static final int EXECUTIONS = 20;
    static final long DEADLINE_MILLIS = 30_000;
    static final String TEXT = "Zażółć gęślą jaźń – 漢字 🐘 'quoted' \"double\" back\\slash $1 %s :x ? ;--";
    static final String SLEEPERS =
            "SELECT count(*) FROM pg_catalog.pg_stat_activity WHERE wait_event = 'PgSleep' AND pid = ?";

    private static final PrintStream OUT = new PrintStream(System.out, true, StandardCharsets.UTF_8);

    private Suite() {}

    /** Returns a note or null; its exception is the failure. */
    interface Test {
        String run() throws Exception;
    }

    interface Action {
        void run() throws Exception;
    }

    interface Condition {
        boolean holds() throws Exception;
    }

    static void run(String name, Test test) {
        try {
            String note = test.run();
            print(name, true, note == null ? "" : note);
        } catch (Exception | AssertionError problem) {
            problem.printStackTrace();
            print(name, false, problem.toString());
        }
    }

    private static void print(String name, boolean ok, String note) {
        OUT.printf("{\"test\": \"%s\", \"ok\": %s, \"note\": \"%s\"}%n", name, ok, escaped(note));
    }

    private static String escaped(String text) {
        StringBuilder json = new StringBuilder();
        for (char c : text.toCharArray()) {
            json.append(c == '"' || c == '\\' ? "\\" + c : c < ' ' ? String.format("\\u%04x", (int) c) : String.valueOf(c));
        }
        return json.toString();
    }

    static void check(boolean condition, String complaint) {
        if (!condition) {
            throw new AssertionError(complaint);
        }
    }

    static void equal(Object actual, Object expected, String what) {
        check(Objects.equals(actual, expected), what + ": expected " + expected + ", got " + actual);
    }

    static boolean overTls() {
        return !setting("PGSSLMODE").equals("disable");
    }

    static String setting(String name) {
        return Objects.requireNonNull(System.getenv(name), name);
    }

    /** The proxy gives every migration session its lock_timeout; a direct run has nothing to expect. */
    static void checkLockTimeout(String value) {
        String expected = System.getenv("DRIVERS_LOCK_TIMEOUT");
        if (expected != null && !expected.isEmpty()) {
            equal(value, expected, "SHOW lock_timeout");
        }
    }

    static byte[] randomBytes() {
        byte[] data = new byte[1_000_000];
        new SecureRandom().nextBytes(data);
        return data;
    }

    static String md5(byte[] data) throws Exception {
        return HexFormat.of().formatHex(MessageDigest.getInstance("MD5").digest(data));
    }

    /** Rows in COPY's text format: escapes, UTF-8 and NULL among them. */
    static String copyText() {
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < ROWS; i++) {
            text.append(i).append('\t').append(i % 7 == 0 ? "\\N" : "wiersz " + i + " – żółć\\t漢字\\\\end").append('\n');
        }
        return text.toString();
    }

    /** Waits for something on the server; there is nothing to subscribe to, so it asks again. */
    static void poll(String what, Condition condition) throws Exception {
        long deadline = System.currentTimeMillis() + DEADLINE_MILLIS;
        while (!condition.holds()) {
            check(System.currentTimeMillis() < deadline, what + " was not seen within " + DEADLINE_MILLIS + " ms");
            Thread.sleep(20);
        }
    }
}
