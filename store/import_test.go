package store_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/ijson"
	"github.com/verdict-pdp/verdict/store"
	"github.com/verdict-pdp/verdict/store/storetest"
)

func entityJSON(entity authz.Entity) ([]byte, error) {
	entity.Normalize()
	return ijson.Marshal(entity)
}

func TestImportOfManyChunks(t *testing.T) {
	s := open(t, store.Config{InMemory: true})
	const n = 20_000
	var progress []store.ImportProgress
	in, out := io.Pipe()
	go func() { out.CloseWithError(people(out, n)) }()
	report, err := s.Import(t.Context(), in, store.ImportOptions{Progress: func(p store.ImportProgress) { progress = append(progress, p) }})
	if err != nil {
		t.Fatal(err)
	}
	if report.Lines != 2*n || report.Written != 2*n || report.Revision != uint64(len(progress)) {
		t.Errorf("%+v after %d chunks", report, len(progress))
	}
	for i := 1; i < len(progress); i++ {
		if progress[i].Lines <= progress[i-1].Lines || progress[i].Bytes <= progress[i-1].Bytes {
			t.Errorf("progress went from %+v to %+v", progress[i-1], progress[i])
		}
	}
	counts := s.Counts()
	if counts[authz.Users] != n || counts[authz.Entitlements] != n {
		t.Errorf("counts are %v; want %d users and entitlements", counts, n)
	}
}

// TestImportThatBreaksOff keeps what came before the break and says so.
func TestImportThatBreaksOff(t *testing.T) {
	s := open(t, store.Config{InMemory: true})
	line := `{"collection":"users","entity":{"id":"a"}}` + "\n"
	report, err := s.Import(t.Context(), io.MultiReader(strings.NewReader(line), failingReader{}), store.ImportOptions{})
	code(t, err, authz.CodeInvalid, "could not be read to its end")
	if report.Written != 1 || report.Revision != 1 {
		t.Errorf("%+v; want one line written, at revision 1", report)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Import(ctx, strings.NewReader(line), store.ImportOptions{}); err != nil {
		code(t, err, authz.CodeUnavailable, "ended")
	}
}

func FuzzImport(f *testing.F) {
	for _, sample := range storetest.Samples() {
		data, err := entityJSON(sample)
		if err != nil {
			f.Fatal(err)
		}
		f.Add([]byte(`{"collection":"` + string(sample.Collection()) + `","entity":` + string(data) + "}\n"))
	}
	f.Add([]byte("\n\n{}\nnull\n[]\n\xff\n{\"collection\":\"users\",\"entity\":{\"id\":\"a\"}}"))
	f.Add([]byte(`{"collection":"users","collection":"users","entity":{"id":"a"}}`))
	f.Add([]byte(`{"collection":"users","entity":{"id":"a"},"entity":{"id":"b"}}`))
	s, err := store.Open(store.Config{InMemory: true})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() {
		if err := s.Close(); err != nil {
			f.Error(err)
		}
	})
	f.Fuzz(func(t *testing.T, lines []byte) {
		before := s.Revision()
		first, err := s.Import(t.Context(), bytes.NewReader(lines), store.ImportOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if first.Revision > before+1 || first.Failed < len(first.Errors) || first.Written+first.Unchanged+first.Failed > first.Lines {
			t.Fatalf("%+v; the numbers do not fit together", first)
		}
		for _, bad := range first.Errors {
			if bad.Message == "" || bad.Line < 1 || bad.Line > first.Lines {
				t.Fatalf("%+v; want a message, and a line of the input", bad)
			}
		}
		// What was accepted is exported, and its export changes nothing.
		var exported bytes.Buffer
		if _, err := s.Export(t.Context(), &exported, authz.AllCollections()...); err != nil {
			t.Fatal(err)
		}
		again, err := s.Import(t.Context(), &exported, store.ImportOptions{})
		if err != nil || again.Written > 0 || again.Failed > 0 {
			t.Fatalf("own export: %+v %v", again, err)
		}
		empty(t, s)
	})
}

// empty deletes everything, so that inputs do not depend on each other.
func empty(t *testing.T, s *store.Store) {
	t.Helper()
	var ops []store.Op
	for _, c := range authz.AllCollections() {
		page, err := s.List(t.Context(), authz.Query{Collection: c, Limit: authz.MaxPageSize})
		if err != nil {
			t.Fatal(err)
		}
		for _, item := range page.Items {
			ops = append(ops, store.Op{Collection: c, Key: item.Head().ID})
		}
	}
	if len(ops) == 0 {
		return
	}
	if _, err := s.Apply(t.Context(), ops); err != nil && !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
}
