package sink

import (
	"bytes"
	"fmt"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/ijson"
)

// linesOf writes each record as one line of JSON, in the form its hash is made over.
func linesOf(records []authz.Record) (*bytes.Buffer, error) {
	lines := &bytes.Buffer{}
	for i := range records {
		line, err := ijson.Marshal(&records[i])
		if err != nil {
			return nil, unwritable(records[i].Seq, err)
		}
		lines.Write(line)
		lines.WriteByte('\n')
	}
	return lines, nil
}

func unwritable(seq uint64, err error) error {
	return fmt.Errorf("%w: record %d cannot be written: %w", ErrRefused, seq, err)
}
