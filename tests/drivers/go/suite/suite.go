// Package suite is what the Go programs share: the result lines, the settings from the environment and the test data.
package suite

import (
	"crypto/md5"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"time"
)

const (
	Rows       = 10_000
	Executions = 20
	Deadline   = 30 * time.Second

	Text = "Zażółć gęślą jaźń – 漢字 🐘 'quoted' \"double\" back\\slash $1 %s :x ? ;--"

	// An SQL text that no other statement of the programs begins with: it finds itself in pg_prepared_statements.
	Prepared      = "SELECT 1000 + $1::int"
	CountPrepared = "SELECT count(*) FROM pg_catalog.pg_prepared_statements WHERE statement LIKE 'SELECT 1000 + %'"
	Sleepers      = "SELECT count(*) FROM pg_catalog.pg_stat_activity WHERE wait_event = 'PgSleep' AND pid = $1"
)

// NotPossible says why the driver cannot do a test at all.
type NotPossible string

func (reason NotPossible) Error() string { return string(reason) }

// Test returns a note, or the error that it failed with.
type Test struct {
	Name string
	Run  func() (string, error)
}

type result struct {
	Test string `json:"test"`
	OK   *bool  `json:"ok"`
	Note string `json:"note"`
}

// Run runs the tests and prints one line for each.
func Run(tests []Test) {
	for _, test := range tests {
		line, err := json.Marshal(outcome(test))
		if err != nil {
			panic(err)
		}
		fmt.Println(string(line))
	}
}

func outcome(test Test) result {
	note, err := test.Run()
	var reason NotPossible
	if errors.As(err, &reason) {
		return result{Test: test.Name, Note: string(reason)}
	}
	ok := err == nil
	if !ok {
		note = err.Error()
	}
	return result{Test: test.Name, OK: &ok, Note: note}
}

func Equal(actual, expected any, what string) error {
	if reflect.DeepEqual(actual, expected) {
		return nil
	}
	return fmt.Errorf("%s: expected %.200v, got %.200v", what, expected, actual)
}

// First is the first error of a list of checks.
func First(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func OverTLS() bool { return os.Getenv("PGSSLMODE") != "disable" }

// OtherAuthority is a certificate authority that did not sign the server's certificate.
func OtherAuthority() string { return os.Getenv("DRIVERS_OTHER_CA") }

// LockTimeout checks what the proxy gives every migration session; a direct run has nothing to expect.
func LockTimeout(value string) error {
	expected := os.Getenv("DRIVERS_LOCK_TIMEOUT")
	if expected == "" {
		return nil
	}
	return Equal(value, expected, "SHOW lock_timeout")
}

func RandomBytes() []byte {
	data := make([]byte, 1_000_000)
	rand.Read(data) // never fails: crypto/rand ends the program instead
	return data
}

func MD5(data []byte) string {
	sum := md5.Sum(data)
	return hex.EncodeToString(sum[:])
}

// Label is the text of a row, nil for NULL.
func Label(row int) any {
	if row%7 == 0 {
		return nil
	}
	return fmt.Sprintf("wiersz %d – żółć\t漢字\\end", row)
}

// CopyText is what COPY TO STDOUT prints for all rows, in text format.
func CopyText() string {
	var text strings.Builder
	escape := strings.NewReplacer("\\", "\\\\", "\t", "\\t")
	for row := range Rows {
		label := "\\N"
		if value, ok := Label(row).(string); ok {
			label = escape.Replace(value)
		}
		fmt.Fprintf(&text, "%d\t%s\n", row, label)
	}
	return text.String()
}

// Poll waits for something on the server; there is nothing to subscribe to, so it asks again.
func Poll(what string, seen func() (bool, error)) error {
	for deadline := time.Now().Add(Deadline); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if found, err := seen(); err != nil || found {
			return err
		}
	}
	return fmt.Errorf("%s was not seen within %s", what, Deadline)
}
