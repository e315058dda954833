package store

import (
	"bufio"
	"context"
	"io"

	"github.com/dgraph-io/badger/v4"

	"github.com/verdict-pdp/verdict/authz"
)

// Export writes the entities of collections as NDJSON lines that Import reads,
// all of one revision, which it returns. Without collections it writes all but
// API keys, whose hashes leave only when asked for by name. Credentials leave with
// the hashes of their secrets, without which an import could not bring them back.
func (s *Store) Export(ctx context.Context, w io.Writer, wanted ...authz.Collection) (revision uint64, err error) {
	if len(wanted) == 0 {
		wanted = authz.ServedCollections()
	}
	for _, c := range wanted {
		if codeOf(c) == 0 {
			return 0, unknownCollection(c)
		}
	}
	view, err := s.Snapshot()
	if err != nil {
		return 0, err
	}
	defer view.Close()
	out := bufio.NewWriterSize(w, 64<<10)
	for _, c := range wanted {
		if err := view.export(ctx, out, c); err != nil {
			return 0, err
		}
	}
	if err := out.Flush(); err != nil {
		return 0, notTaken("the export", err)
	}
	return view.Revision(), nil
}

func (v *Snapshot) export(ctx context.Context, out *bufio.Writer, c authz.Collection) error {
	start := []byte(lineStart + string(c) + `","entity":`)
	return v.cold(func(txn *badger.Txn) error {
		return scan(txn, dataPrefix(codeOf(c)), nil, true, func(item *badger.Item) (bool, error) {
			if err := v.interrupted(ctx, "the export"); err != nil {
				return false, err
			}
			rec, err := itemRecord(item, "")
			if err != nil || rec == nil {
				return err == nil, err
			}
			for _, part := range [][]byte{start, rec.json, []byte("}\n")} {
				if _, err := out.Write(part); err != nil {
					return false, notTaken("the export", err)
				}
			}
			return true, nil
		})
	})
}

// interrupted says why a long read must end now, nil when it need not.
func (v *Snapshot) interrupted(ctx context.Context, what string) error {
	select {
	case <-ctx.Done():
		return &authz.Error{Code: authz.CodeUnavailable, Message: what + " is not complete: the request ended first", Cause: ctx.Err()}
	case <-v.store.db.Closing():
		return &authz.Error{Code: authz.CodeUnavailable, Message: what + " is not complete: Verdict is shutting down"}
	default:
		return nil
	}
}

func notTaken(what string, cause error) error {
	return &authz.Error{Code: authz.CodeUnavailable, Message: what + " is not complete: its output could not be written", Cause: cause}
}
