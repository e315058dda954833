package sink_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/decisionlog/sink"
	"github.com/verdict-pdp/verdict/ijson"
)

// lines reads records from lines of JSON; torn are the lines that are none.
func lines(t *testing.T, text []byte) (records []authz.Record, torn []string) {
	t.Helper()
	if n := len(text); n > 0 && text[n-1] != '\n' {
		t.Errorf("ends within a line: %q", text)
	}
	for line := range strings.Lines(string(text)) {
		var r authz.Record
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			torn = append(torn, strings.TrimSuffix(line, "\n"))
			continue
		}
		records = append(records, r)
	}
	return records, torn
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func newFile(t *testing.T, path string) *sink.File {
	t.Helper()
	f, err := sink.NewFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestFileAppendsLines(t *testing.T) {
	path := filepath.Join(t.TempDir(), "decisions.jsonl")
	sends(t, newFile(t, path), decision(1), decision(2))
	sends(t, newFile(t, path), decision(3))
	records, torn := lines(t, read(t, path))
	if diff := cmp.Diff([]authz.Record{decision(1), decision(2), decision(3)}, records); diff != "" || torn != nil {
		t.Error(diff, torn)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
	one := decision(1)
	want, err := ijson.Marshal(&one) // what the record's hash is made over
	if err != nil {
		t.Fatal(err)
	}
	if got, _, _ := bytes.Cut(read(t, path), []byte("\n")); !bytes.Equal(got, want) {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestFileMovedAwayOrBrokenOff(t *testing.T) {
	path := filepath.Join(t.TempDir(), "decisions.jsonl")
	f := newFile(t, path)
	sends(t, f, decision(1))
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(`{"seq":2,"ki`), 0o600); err != nil { // a crash within a line
		t.Fatal(err)
	}
	sends(t, f, decision(2))
	records, torn := lines(t, read(t, path))
	if diff := cmp.Diff([]authz.Record{decision(2)}, records); diff != "" || !cmp.Equal(torn, []string{`{"seq":2,"ki`}) {
		t.Error(diff, torn)
	}
	if records, torn := lines(t, read(t, path+".1")); len(records) != 1 || torn != nil {
		t.Error(records, torn)
	}
}

func TestFileThatCannotBeWritten(t *testing.T) {
	if _, err := sink.NewFile(""); authz.CodeOf(err) != authz.CodeInvalid {
		t.Error(err)
	}
	f := newFile(t, filepath.Join(t.TempDir(), "none", "decisions.jsonl"))
	if err := f.Send(t.Context(), []authz.Record{decision(1)}); !errors.Is(err, os.ErrNotExist) || errors.Is(err, sink.ErrRefused) {
		t.Error(err)
	}
	if err := newFile(t, "/dev/full").Send(t.Context(), []authz.Record{decision(1)}); err == nil || errors.Is(err, sink.ErrRefused) {
		t.Errorf("%v, want the device to be full", err)
	}
	sends(t, newFile(t, "/dev/null"), decision(1)) // no regular file
}

func TestRecordThatIsNotJSONIsRefusedAlone(t *testing.T) {
	bad := decision(7)
	bad.Input = json.RawMessage(`{"broken`)
	out := &bytes.Buffer{}
	path := filepath.Join(t.TempDir(), "decisions.jsonl")
	for name, s := range map[string]sink.Sink{"stream": sink.NewStream(out), "file": newFile(t, path)} {
		err := s.Send(t.Context(), []authz.Record{decision(6), bad})
		if !errors.Is(err, sink.ErrRefused) || !strings.Contains(err.Error(), "record 7") {
			t.Errorf("%s: error %v, want %v that names record 7", name, err, sink.ErrRefused)
		}
	}
	if _, err := os.Stat(path); out.Len() > 0 || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("written before it was refused: %q, %v", out, err)
	}
}

// stingy takes so many bytes, then fails.
type stingy struct {
	bytes.Buffer
	left int
}

func (s *stingy) Write(p []byte) (int, error) {
	if len(p) <= s.left {
		s.left -= len(p)
		return s.Buffer.Write(p)
	}
	n, err := s.Buffer.Write(p[:s.left])
	s.left = 0
	return n, errors.Join(err, io.ErrShortWrite)
}

func TestStreamBrokenOffWithinALine(t *testing.T) {
	out := &stingy{left: 20}
	s := sink.NewStream(out)
	for range 2 { // the second writes nothing at all, and leaves the line torn
		if err := s.Send(t.Context(), []authz.Record{decision(1)}); !errors.Is(err, io.ErrShortWrite) {
			t.Fatal(err)
		}
	}
	out.left = 1 << 20
	sends(t, s, decision(1))
	sends(t, s, decision(2))
	records, torn := lines(t, out.Bytes())
	if diff := cmp.Diff([]authz.Record{decision(1), decision(2)}, records); diff != "" || len(torn) != 1 {
		t.Error(diff, torn)
	}
}
