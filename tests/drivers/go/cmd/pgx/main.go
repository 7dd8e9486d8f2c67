// pgx: the seven tests.
package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"drivers/suite"
)

var ctx = context.Background()

func main() {
	suite.Run([]suite.Test{
		{Name: "connect", Run: connect},
		{Name: "simple", Run: with(simple)},
		{Name: "parameterized", Run: with(parameterized)},
		{Name: "prepared", Run: with(prepared)},
		{Name: "pipelined", Run: with(pipelined)},
		{Name: "copy", Run: with(copyBothWays)},
		{Name: "cancel", Run: with(cancel)},
	})
}

// with gives a test a connection of its own.
func with(test func(*pgx.Conn) error) func() (string, error) {
	return func() (string, error) {
		conn, err := pgx.Connect(ctx, "")
		if err != nil {
			return "", err
		}
		return "", suite.First(test(conn), conn.Close(ctx))
	}
}

func one[T any](conn *pgx.Conn, sql string, arguments ...any) (T, error) {
	var value T
	err := conn.QueryRow(ctx, sql, arguments...).Scan(&value)
	return value, err
}

func expect[T any](conn *pgx.Conn, expected T, sql string, arguments ...any) error {
	value, err := one[T](conn, sql, arguments...)
	return suite.First(err, suite.Equal(value, expected, sql))
}

func sqlstate(err error, expected string) error {
	var problem *pgconn.PgError
	if !errors.As(err, &problem) {
		return fmt.Errorf("expected SQLSTATE %s, got %v", expected, err)
	}
	return suite.Equal(problem.Code, expected, "SQLSTATE")
}

func execute(conn *pgx.Conn, statements ...string) error {
	for _, sql := range statements {
		if _, err := conn.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol); err != nil {
			return fmt.Errorf("%s: %w", sql, err)
		}
	}
	return nil
}

func connect() (string, error) {
	conn, err := pgx.Connect(ctx, "")
	if err != nil {
		return "", err
	}
	defer conn.Close(ctx)
	timeout, err := one[string](conn, "SHOW lock_timeout")
	return "", suite.First(err,
		expect(conn, os.Getenv("PGUSER"), "SELECT current_user::text"),
		suite.LockTimeout(timeout),
		checkTLS(conn),
		wrongPassword(),
		wrongAuthority())
}

func checkTLS(conn *pgx.Conn) error {
	socket, encrypted := conn.PgConn().Conn().(*tls.Conn)
	if err := suite.Equal(encrypted, suite.OverTLS(), "TLS in use"); err != nil || !encrypted {
		return err
	}
	state := socket.ConnectionState()
	if !state.HandshakeComplete || len(state.VerifiedChains) == 0 {
		return fmt.Errorf("the server's certificate was not verified: %d chains", len(state.VerifiedChains))
	}
	return nil
}

func wrongPassword() error {
	conn, err := pgx.Connect(ctx, "password='not the password'")
	if err == nil {
		conn.Close(ctx)
		return errors.New("connected with a wrong password")
	}
	return sqlstate(err, "28P01")
}

func wrongAuthority() error {
	if !suite.OverTLS() {
		return nil
	}
	conn, err := pgx.Connect(ctx, "sslrootcert="+suite.OtherAuthority())
	if err == nil {
		conn.Close(ctx)
		return errors.New("connected although another authority signed the certificate")
	}
	var unverified *tls.CertificateVerificationError
	if !errors.As(err, &unverified) {
		return fmt.Errorf("expected a certificate error, got %w", err)
	}
	return nil
}

func simple(conn *pgx.Conn) error {
	results, err := conn.PgConn().Exec(ctx, "SELECT 1; SELECT 'two'; SELECT 3").ReadAll()
	if err != nil {
		return err
	}
	var seen []string
	for _, result := range results {
		seen = append(seen, string(result.Rows[0][0]))
	}
	return suite.First(
		suite.Equal(seen, []string{"1", "two", "3"}, "multi-statement query"),
		sqlstate(execute(conn, "SELECT 1/0"), "22012"),
		sqlstate(execute(conn, "SELECT * FROM no_such_table"), "42P01"),
		expect(conn, "good again", "SELECT 'good again'", pgx.QueryExecModeSimpleProtocol),
		transaction(conn))
}

func transaction(conn *pgx.Conn) error {
	return suite.First(
		execute(conn, "CREATE TEMP TABLE moves (n int)", "BEGIN", "INSERT INTO moves VALUES (1)", "SAVEPOINT before_error"),
		sqlstate(execute(conn, "INSERT INTO moves VALUES (1/0)"), "22012"),
		sqlstate(execute(conn, "SELECT 1"), "25P02"),
		execute(conn, "ROLLBACK TO before_error", "INSERT INTO moves VALUES (2)", "COMMIT"),
		execute(conn, "BEGIN", "INSERT INTO moves VALUES (3)", "ROLLBACK"),
		expect(conn, 3, "SELECT sum(n)::int FROM moves"))
}

func parameterized(conn *pgx.Conn) error {
	data := suite.RandomBytes()
	back, err := one[[]byte](conn, "SELECT $1::bytea", data)
	if err == nil && !bytes.Equal(back, data) {
		err = errors.New("bytea differs")
	}
	return suite.First(err,
		expect(conn, 42, "SELECT $1::int + $2::int", -40, 82),
		expect(conn, suite.Text, "SELECT $1::text", suite.Text),
		expect(conn, len(suite.Text), "SELECT octet_length($1::text)", suite.Text),
		expect(conn, (*string)(nil), "SELECT $1::text", nil),
		expect(conn, suite.MD5(data), "SELECT md5($1::bytea)", data))
}

func prepared(conn *pgx.Conn) error {
	if _, err := conn.Prepare(ctx, "add_thousand", suite.Prepared); err != nil {
		return err
	}
	for n := range suite.Executions {
		if err := expect(conn, 1000+n, "add_thousand", n); err != nil {
			return err
		}
	}
	return expect(conn, 1, suite.CountPrepared)
}

func pipelined(conn *pgx.Conn) error {
	return suite.First(
		execute(conn, "CREATE TEMP TABLE pipe (n int)"),
		goodBatch(conn),
		sqlstate(failingBatch(conn), "22012"),
		// One implicit transaction up to the Sync: the error takes the row before it along.
		expect(conn, 0, "SELECT count(*) FROM pipe"),
		twoSyncsInFlight(conn))
}

func goodBatch(conn *pgx.Conn) error {
	var batch pgx.Batch
	for n := range 50 {
		batch.Queue("SELECT $1::int * 2", n)
	}
	results := conn.SendBatch(ctx, &batch)
	defer results.Close()
	for n := range 50 {
		var doubled int
		err := results.QueryRow().Scan(&doubled)
		if err := suite.First(err, suite.Equal(doubled, n*2, "result in the batch")); err != nil {
			return err
		}
	}
	return results.Close()
}

func failingBatch(conn *pgx.Conn) error {
	var batch pgx.Batch
	batch.Queue("INSERT INTO pipe VALUES ($1)", 1)
	batch.Queue("INSERT INTO pipe VALUES (1 / $1::int)", 0)
	batch.Queue("INSERT INTO pipe VALUES ($1)", 2)
	return conn.SendBatch(ctx, &batch).Close()
}

// twoSyncsInFlight sends two batches before it reads: the first fails, the second must still be done.
func twoSyncsInFlight(conn *pgx.Conn) error {
	pipeline := conn.PgConn().StartPipeline(ctx)
	pipeline.SendQueryParams("INSERT INTO pipe VALUES (1/0)", nil, nil, nil, nil)
	first := pipeline.Sync()
	pipeline.SendQueryParams("INSERT INTO pipe VALUES (7)", nil, nil, nil, nil)
	second := pipeline.Sync()
	if err := suite.First(first, second); err != nil {
		return err
	}
	failed := pipeline.Close() // reads what is left and returns the first error
	return suite.First(sqlstate(failed, "22012"), expect(conn, 7, "SELECT sum(n)::int FROM pipe"))
}

func copyBothWays(conn *pgx.Conn) error {
	if err := execute(conn, "CREATE TEMP TABLE items (id int, label text)"); err != nil {
		return err
	}
	rows := pgx.CopyFromSlice(suite.Rows, func(row int) ([]any, error) { return []any{row, suite.Label(row)}, nil })
	copied, err := conn.CopyFrom(ctx, pgx.Identifier{"items"}, []string{"id", "label"}, rows)
	if err := suite.First(err, suite.Equal(copied, int64(suite.Rows), "rows copied in")); err != nil {
		return err
	}
	var back bytes.Buffer
	_, err = conn.PgConn().CopyTo(ctx, &back, "COPY (SELECT * FROM items ORDER BY id) TO STDOUT")
	if err == nil && back.String() != suite.CopyText() {
		err = errors.New("the rows copied out differ")
	}
	if err != nil {
		return err
	}
	_, err = conn.PgConn().CopyFrom(ctx, strings.NewReader("1\tgood\nnot a number\tbad\n"), "COPY items FROM STDIN")
	return suite.First(sqlstate(err, "22P02"), expect(conn, suite.Rows, "SELECT count(*) FROM items"))
}

func cancel(conn *pgx.Conn) error {
	watcher, err := pgx.Connect(ctx, "")
	if err != nil {
		return err
	}
	defer watcher.Close(ctx)
	pid, err := one[int32](conn, "SELECT pg_backend_pid()")
	if err != nil {
		return err
	}
	outcome := make(chan error, 1)
	go func() { outcome <- execute(conn, "SELECT pg_sleep(30)") }()
	return suite.First(
		suite.Poll("pg_sleep", func() (bool, error) {
			count, err := one[int](watcher, suite.Sleepers, pid)
			return count == 1, err
		}),
		conn.PgConn().CancelRequest(ctx),
		sqlstate(<-outcome, "57014"),
		expect(conn, pid, "SELECT pg_backend_pid()"))
}
