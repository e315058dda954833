package decisionlog_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/decisionlog"
	"github.com/verdict-pdp/verdict/ijson"
)

// TestTamper changes stored records the way somebody with the files could.
func TestTamper(t *testing.T) {
	slower := rewritten(`"latency_us":310`, `"latency_us":311`)
	for name, test := range map[string]struct {
		seq      uint64
		change   func(value []byte, at int) []byte
		problems []string
	}{
		"a member of the record": {2, func(value []byte, _ int) []byte {
			return bytes.Replace(value, []byte(`"decision":"deny"`), []byte(`"decision":"allow"`), 1)
		}, []string{
			"record 2 was changed: its content does not have its hash", "record 2 is listed as something else than it is", "record 2 has a wrong size",
		}},
		"deleted":                {2, deleted, []string{"record 2 is missing"}},
		"deleted at the old end": {1, deleted, []string{"record 1 is missing"}},
		"deleted at the new end": {4, deleted, []string{"record 4 is missing"}},
		"what it is listed as": {2, func(value []byte, _ int) []byte {
			return bytes.Replace(value, []byte("NO_EDGE"), []byte("XX_EDGE"), 1)
		}, []string{"record 2 is listed as something else than it is"}},
		"its outcome in lists": {2, func(value []byte, _ int) []byte {
			value[1] |= 1
			return value
		}, []string{"record 2 is listed as something else than it is"}},
		"its size":                    {2, flipped(11, 1), []string{"record 2 has a wrong size", "record 3 has a wrong size"}},
		"written anew, with its hash": {2, slower, []string{"record 3 does not follow record 2: one of them was changed"}},
		"the last one written anew":   {4, slower, []string{"record 4 is not the one that was written last"}},
		"no header": {3, func([]byte, int) []byte { return []byte("x") }, []string{
			"record 3 cannot be read", "record 4 does not follow record 3: one of them was changed",
		}},
		"no JSON": {4, func(value []byte, at int) []byte { return value[:at] }, []string{
			"record 4 was changed: its content does not have its hash", "record 4 cannot be read",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			l := open(t, decisionlog.Config{Dir: dir})
			record(t, l, entry("d-1"), denied("d-2"), denied("d-3"), entry("d-4"))
			if err := l.Tamper(test.seq, test.change); err != nil {
				t.Fatal(err)
			}
			verify(t, l, test.problems...)
			closed(t, l)
			l = open(t, decisionlog.Config{Dir: dir})
			verify(t, l, test.problems...)
			record(t, l, entry("d-5")) // and goes on
			if found, err := l.After(t.Context(), 4, 10); err != nil || len(found) != 1 || found[0].ID != "d-5" {
				t.Error(found, err)
			}
		})
	}
}

// deleted and flipped are changes for Tamper and TamperChange.
func deleted([]byte, int) []byte { return nil }

func flipped(at int, bits byte) func([]byte, int) []byte {
	return func(value []byte, _ int) []byte { value[at] ^= bits; return value }
}

// rewritten is a change that replaces a text in the JSON and seals it again.
func rewritten(old, with string) func(value []byte, at int) []byte {
	return func(value []byte, at int) []byte {
		changed := bytes.Replace(value, []byte(old), []byte(with), 1)
		sum := sha256.Sum256(changed[at:])
		copy(changed[18:], sum[:])
		return changed
	}
}

// TestHeadTakenBack has a log whose newest records are cut off: it would write over
// them and call itself whole.
func TestHeadTakenBack(t *testing.T) {
	for _, to := range []uint64{0, 2} {
		c := decisionlog.Config{Dir: t.TempDir(), Input: input}
		l := openUnclosed(t, c)
		record(t, l, many(4)...)
		if err := errors.Join(l.TakeBack(to), l.Close()); err != nil {
			t.Fatal(err)
		}
		_, err := decisionlog.Open(c)
		code(t, err, authz.CodeInternal, "the decision log is damaged")
	}
}

func TestVerifyOfMany(t *testing.T) {
	l := open(t, inMemory())
	record(t, l, many(2500)...)
	if report := verify(t, l); report.Records != 2500 || report.To != 2500 {
		t.Errorf("%d records up to %d were verified, want 2500", report.Records, report.To)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := l.Verify(ended)
	code(t, err, authz.CodeUnavailable, "ended with the request")
}

func TestVerifyOfNothing(t *testing.T) {
	if report := verify(t, open(t, inMemory())); report.From != 0 || report.To != 0 || report.HeadHash != "" {
		t.Errorf("%+v; want the report of an empty log", report)
	}
}

// export is l as lines.
func export(t testing.TB, l *decisionlog.Log) []string {
	t.Helper()
	var lines []string
	for _, r := range all(t, l) {
		line, err := ijson.Marshal(&r)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, string(line))
	}
	return lines
}

// replaced is lines with old replaced in one of them, which must have it.
func replaced(t testing.TB, lines []string, i int, old, with string) []string {
	t.Helper()
	if !strings.Contains(lines[i], old) {
		t.Fatalf("%q is not in %s", old, lines[i])
	}
	lines = slices.Clone(lines)
	lines[i] = strings.Replace(lines[i], old, with, 1)
	return lines
}

func TestVerifyLines(t *testing.T) {
	l := open(t, inMemory())
	e := denied("d-2")
	e.Question.Context = map[string]any{"text": "a<b>&\"ü\n", "n": 1.5, "big": 1e15}
	record(t, l, entry("d-1"), e, denied("d-3"), entry("d-4"))
	want := verify(t, l)
	change := func(i int, old, with string) func([]string) []string {
		return func(lines []string) []string { return replaced(t, lines, i, old, with) }
	}
	for name, test := range map[string]struct {
		change   func([]string) []string
		problems []string
	}{
		"as it is":    {func(lines []string) []string { return lines }, nil},
		"empty lines": {func(lines []string) []string { return append(lines, "", " \r") }, nil},
		"other spaces, other escapes": {func(lines []string) []string {
			lines[1] = strings.ReplaceAll(strings.ReplaceAll(lines[1], ",", " , "), "<", `\u003c`)
			return lines
		}, nil},
		"a part": {func(lines []string) []string { return lines[1:3] }, nil},
		"a changed member": {change(1, `"decision":"deny"`, `"decision":"allow"`), []string{
			"record 2 was changed: its content does not have its hash",
		}},
		"a changed input": {change(1, `"n":1.5`, `"n":1.6`), []string{
			"record 2 was changed: its content does not have its hash",
		}},
		"a line taken out":        {func(lines []string) []string { return append(lines[:1], lines[2:]...) }, []string{"record 2 is missing"}},
		"two lines swapped":       {func(lines []string) []string { lines[1], lines[2] = lines[2], lines[1]; return lines }, []string{"record 2 is missing", "record 2 stands after record 3", "record 3 is missing"}},
		"a line twice":            {func(lines []string) []string { return append(lines, lines[3]) }, []string{"record 4 stands after record 4"}},
		"a member twice":          {change(1, `"decision":"deny"`, `"decision":"allow","decision":"deny"`), []string{"line 2 is no record of an export", "record 2 is missing"}},
		"a member twice, by case": {change(1, `"decision":"deny"`, `"Decision":"allow","decision":"deny"`), []string{"line 2 is no record of an export", "record 2 is missing"}},
		"something else":          {func(lines []string) []string { return append(lines, "hello") }, []string{"line 5 is no record of an export"}},
		"a line without end":      {func(lines []string) []string { return append(lines, strings.Repeat("x", 5<<20)) }, []string{"line 5 is longer than a record can be; nothing after it was read"}},
		"written anew":            {func(lines []string) []string { lines[1] = resealed(t, lines[1]); return lines }, []string{"record 3 does not follow record 2: one of them was changed"}},
	} {
		t.Run(name, func(t *testing.T) {
			report, err := decisionlog.VerifyLines(strings.NewReader(strings.Join(test.change(export(t, l)), "\n") + "\n"))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(append([]string{}, test.problems...), report.Problems); diff != "" || report.OK != (test.problems == nil) {
				t.Errorf("ok %v %s", report.OK, diff)
			}
			if name == "as it is" {
				if diff := cmp.Diff(want, report); diff != "" {
					t.Error(diff)
				}
			}
		})
	}
	_, err := decisionlog.VerifyLines(iotest.ErrReader(errors.New("cut off")))
	code(t, err, authz.CodeInvalid, "could not be read to its end")
}

// resealed is a line with another latency and the hash that belongs to it.
func resealed(t *testing.T, line string) string {
	t.Helper()
	var r authz.Record
	if err := ijson.Unmarshal([]byte(line), &r); err != nil {
		t.Fatal(err)
	}
	r.LatencyUS, r.Hash = 999, ""
	content, err := ijson.Marshal(&r)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(content)
	r.Hash = hex.EncodeToString(sum[:])
	whole, err := ijson.Marshal(&r)
	if err != nil {
		t.Fatal(err)
	}
	return string(whole)
}

func TestManyProblems(t *testing.T) {
	report, err := decisionlog.VerifyLines(strings.NewReader(strings.Repeat("x\n", 150)))
	if err != nil || len(report.Problems) != 100 || report.MoreProblems != 50 || report.OK {
		t.Errorf("%d problems, %+v, %v; want 100 of them, and 50 more", len(report.Problems), report, err)
	}
}

// FuzzVerifyLines changes one byte of an export: whatever it is, it is found, unless
// the line still says the same.
func FuzzVerifyLines(f *testing.F) {
	l := open(f, inMemory())
	record(f, l, entry("d-1"), denied("d-2"), entry("d-3"))
	lines := []byte(strings.Join(export(f, l), "\n"))
	f.Add(uint(0), byte(0))
	f.Add(uint(len(lines)/2), byte('"'))
	f.Add(uint(len(lines)-1), byte(' '))
	f.Fuzz(func(t *testing.T, at uint, with byte) {
		changed := bytes.Clone(lines)
		i := at % uint(len(changed))
		changed[i] = with
		report, err := decisionlog.VerifyLines(bytes.NewReader(changed))
		if err != nil {
			t.Fatal(err)
		}
		if same := bytes.Equal(changed, lines); same != report.OK {
			t.Errorf("byte %d is %q: %+v", i, with, report)
		}
	})
}

// FuzzVerifyAnything reads what is no export at all.
func FuzzVerifyAnything(f *testing.F) {
	f.Add([]byte("{}\n{}"))
	f.Add([]byte(`{"seq":1,"kind":"decision"}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		report, err := decisionlog.VerifyLines(bytes.NewReader(in))
		if err != nil {
			t.Fatal(err)
		}
		if report.OK && report.Records > 0 {
			t.Errorf("%q is accepted", in)
		}
		decisionlog.HeaderCanBeRead(in)
	})
}

func many(n int) []authz.Entry {
	var entries []authz.Entry
	for i := range n {
		entries = append(entries, entry("d-"+hex.EncodeToString([]byte{byte(i >> 8), byte(i)})))
	}
	return entries
}
