// lib/pq: the seven tests, through database/sql.
package main

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"

	"github.com/lib/pq"

	"drivers/suite"
)

var ctx = context.Background()

func main() {
	suite.Run([]suite.Test{
		{Name: "connect", Run: connect},
		{Name: "simple", Run: with(simple)},
		{Name: "parameterized", Run: with(parameterized)},
		{Name: "prepared", Run: with(prepared)},
		{Name: "pipelined", Run: func() (string, error) {
			return "", suite.NotPossible("lib/pq and database/sql have no pipeline or batch")
		}},
		{Name: "copy", Run: with(copyIn)},
		{Name: "cancel", Run: cancel},
	})
}

// with gives a test one connection of its own.
func with(test func(*sql.Conn) (string, error)) func() (string, error) {
	return func() (string, error) {
		db, err := sql.Open("postgres", "")
		if err != nil {
			return "", err
		}
		defer db.Close()
		conn, err := db.Conn(ctx)
		if err != nil {
			return "", err
		}
		note, err := test(conn)
		return note, suite.First(err, conn.Close())
	}
}

// queryer is a *sql.Conn, or a *sql.DB where any connection will do.
type queryer interface {
	QueryRowContext(ctx context.Context, query string, arguments ...any) *sql.Row
}

func one[T any](conn queryer, query string, arguments ...any) (T, error) {
	var value T
	err := conn.QueryRowContext(ctx, query, arguments...).Scan(&value)
	return value, err
}

func expect[T any](conn queryer, expected T, query string, arguments ...any) error {
	value, err := one[T](conn, query, arguments...)
	return suite.First(err, suite.Equal(value, expected, query))
}

func sqlstate(err error, expected string) error {
	var problem *pq.Error
	if !errors.As(err, &problem) {
		return fmt.Errorf("expected SQLSTATE %s, got %v", expected, err)
	}
	return suite.Equal(string(problem.Code), expected, "SQLSTATE")
}

func execute(conn *sql.Conn, statements ...string) error {
	for _, statement := range statements {
		if _, err := conn.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	return nil
}

func connect() (string, error) {
	connector, err := pq.NewConnector("")
	if err != nil {
		return "", err
	}
	listener := &listeningDialer{}
	connector.Dialer(listener)
	db := sql.OpenDB(connector)
	defer db.Close()
	timeout, err := one[string](db, "SHOW lock_timeout")
	return "", suite.First(err,
		suite.LockTimeout(timeout),
		expect(db, os.Getenv("PGUSER"), "SELECT current_user"),
		suite.Equal(listener.sawTLS(), suite.OverTLS(), "TLS in use"),
		sqlstate(ping("password='not the password'"), "28P01"),
		wrongAuthority())
}

func ping(settings string) error {
	db, err := sql.Open("postgres", settings)
	if err != nil {
		return err
	}
	defer db.Close()
	return db.PingContext(ctx)
}

func simple(conn *sql.Conn) (string, error) {
	rows, err := conn.QueryContext(ctx, "SELECT 1; SELECT 'two'; SELECT 3")
	if err != nil {
		return "", err
	}
	var seen []string
	for more := true; more; more = rows.NextResultSet() {
		for rows.Next() {
			var value string
			if err := rows.Scan(&value); err != nil {
				return "", err
			}
			seen = append(seen, value)
		}
	}
	return "", suite.First(rows.Err(), rows.Close(),
		suite.Equal(seen, []string{"1", "two", "3"}, "multi-statement query"),
		sqlstate(execute(conn, "SELECT 1/0"), "22012"),
		sqlstate(execute(conn, "SELECT * FROM no_such_table"), "42P01"),
		expect(conn, "good again", "SELECT 'good again'"),
		transaction(conn))
}

func transaction(conn *sql.Conn) error {
	return suite.First(
		execute(conn, "CREATE TEMP TABLE moves (n int)", "BEGIN", "INSERT INTO moves VALUES (1)", "SAVEPOINT before_error"),
		sqlstate(execute(conn, "INSERT INTO moves VALUES (1/0)"), "22012"),
		sqlstate(execute(conn, "SELECT 1"), "25P02"),
		execute(conn, "ROLLBACK TO before_error", "INSERT INTO moves VALUES (2)", "COMMIT"),
		execute(conn, "BEGIN", "INSERT INTO moves VALUES (3)", "ROLLBACK"),
		expect(conn, 3, "SELECT sum(n) FROM moves"))
}

func parameterized(conn *sql.Conn) (string, error) {
	data := suite.RandomBytes()
	back, err := one[[]byte](conn, "SELECT $1::bytea", data)
	if err == nil && !bytes.Equal(back, data) {
		err = errors.New("bytea differs")
	}
	return "", suite.First(err,
		expect(conn, 42, "SELECT $1::int + $2::int", -40, 82),
		expect(conn, suite.Text, "SELECT $1::text", suite.Text),
		expect(conn, len(suite.Text), "SELECT octet_length($1::text)", suite.Text),
		expect(conn, sql.NullString{}, "SELECT $1::text", nil),
		expect(conn, suite.MD5(data), "SELECT md5($1::bytea)", data))
}

func prepared(conn *sql.Conn) (string, error) {
	statement, err := conn.PrepareContext(ctx, suite.Prepared)
	if err != nil {
		return "", err
	}
	for n := range suite.Executions {
		var sum int
		err := statement.QueryRowContext(ctx, n).Scan(&sum)
		if err := suite.First(err, suite.Equal(sum, 1000+n, "result")); err != nil {
			return "", err
		}
	}
	return "", suite.First(expect(conn, 1, suite.CountPrepared), statement.Close())
}

func copyIn(conn *sql.Conn) (string, error) {
	bad := func(row int) []any { return []any{"not a number", "bad"} }
	good := func(row int) []any { return []any{row, suite.Label(row)} }
	return "COPY FROM STDIN only: lib/pq does not support COPY TO; the rows are compared by SELECT", suite.First(
		execute(conn, "CREATE TEMP TABLE items (id int, label text)"),
		copyRows(conn, suite.Rows, good),
		compare(conn),
		sqlstate(copyRows(conn, 1, bad), "22P02"),
		expect(conn, suite.Rows, "SELECT count(*) FROM items"))
}

func copyRows(conn *sql.Conn, count int, row func(int) []any) error {
	transaction, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer transaction.Rollback() // does nothing after Commit
	statement, err := transaction.PrepareContext(ctx, "COPY items (id, label) FROM STDIN")
	if err != nil {
		return err
	}
	for n := range count {
		if _, err := statement.ExecContext(ctx, row(n)...); err != nil {
			return err
		}
	}
	// An Exec without values ends the COPY and brings the server's answer.
	if _, err := statement.ExecContext(ctx); err != nil {
		return err
	}
	return suite.First(statement.Close(), transaction.Commit())
}

func compare(conn *sql.Conn) error {
	rows, err := conn.QueryContext(ctx, "SELECT id, label FROM items ORDER BY id")
	if err != nil {
		return err
	}
	defer rows.Close()
	seen := 0
	for ; rows.Next(); seen++ {
		var id int
		var label any
		err := rows.Scan(&id, &label)
		if err := suite.First(err, suite.Equal([]any{id, label}, []any{seen, suite.Label(seen)}, "row")); err != nil {
			return err
		}
	}
	return suite.First(rows.Err(), suite.Equal(seen, suite.Rows, "rows read back"))
}

func cancel() (string, error) {
	db, err := sql.Open("postgres", "")
	if err != nil {
		return "", err
	}
	defer db.Close()
	conn, err := db.Conn(ctx)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	pid, err := one[int](conn, "SELECT pg_backend_pid()")
	if err != nil {
		return "", err
	}
	cancellable, stop := context.WithCancel(ctx)
	defer stop()
	outcome := make(chan error, 1)
	go func() {
		_, err := conn.ExecContext(cancellable, "SELECT pg_sleep(30)")
		outcome <- err
	}()
	if err := suite.Poll("pg_sleep", sleeps(db, pid)); err != nil {
		return "", err
	}
	stop()
	return "lib/pq gives up the connection of a cancelled context by design; its pool goes on with another", suite.First(
		sqlstate(<-outcome, "57014"),
		expect(db, "good again", "SELECT 'good again'"))
}

func sleeps(db *sql.DB, pid int) func() (bool, error) {
	return func() (bool, error) {
		count, err := one[int](db, suite.Sleepers, pid)
		return count == 1, err
	}
}
