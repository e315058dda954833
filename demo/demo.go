// Package demo has the data of Brightfold, the invented company that --demo and the
// decision corpus use: a business-to-business invoicing service with three tenants,
// fourteen services, seventeen machine users and the edges between them. All its addresses
// and names are reserved for documentation.
//
// The data is NDJSON for POST /v1/import, one entity a line, each after those that it
// refers to. The issuer of Brightfold's tokens is not in it: its key is made together with
// a data directory. Dates move with the day of the first start, so that a new data
// directory never begins with what has ended; what is stored then stays.
package demo

import (
	"bytes"
	_ "embed"
	"io"
	"regexp"
	"time"
)

//go:embed brightfold.ndjson
var brightfold []byte

// Day is the day that the dates in Brightfold's data are written for: nothing that should
// be good has ended, and what ends soon does so in the weeks after it.
var Day = time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)

// Import returns the body of an import of Brightfold's data for the day of at: every
// date in it is as many days away from that day as it is from Day as written.
func Import(at time.Time) io.Reader {
	days := at.UTC().Truncate(24 * time.Hour).Sub(Day)
	return bytes.NewReader(date.ReplaceAllFunc(brightfold, func(written []byte) []byte {
		t, err := time.Parse(layout, string(written))
		if err != nil {
			return written // no date, and the import says what it is
		}
		return []byte(t.Add(days).Format(layout))
	}))
}

const layout = `"` + time.RFC3339 + `"`

var date = regexp.MustCompile(`"\d{4}-\d\d-\d\dT[0-9:]+Z"`)
