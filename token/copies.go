package token

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/verdict-pdp/verdict/disk"
	"github.com/verdict-pdp/verdict/ijson"
)

// copies keeps the last good document of each source in a directory. Without a
// directory it does nothing.
type copies struct {
	dir string
}

// copyContent is the content of one file. One of the URLs is set, depending on the kind
// of document.
type copyContent struct {
	Issuer    string    `json:"issuer"`
	KeysURL   string    `json:"jwks_url,omitempty"`
	ListURL   string    `json:"status_list_url,omitempty"`
	FetchedAt time.Time `json:"fetched_at"`
	ETag      string    `json:"etag,omitempty"`
	Body      string    `json:"body"`
}

const copySuffix = ".json"

func (c copies) path(id sourceID) string {
	name := fmt.Appendf(nil, "%d:%s%s", len(id.issuer), id.issuer, id.url)
	if id.kind == listDocument {
		name = append([]byte("list:"), name...)
	}
	sum := sha256.Sum256(name)
	return filepath.Join(c.dir, hex.EncodeToString(sum[:])+copySuffix)
}

// save replaces the copy of id. When it returns, the copy is durable and complete; a
// crash leaves the old copy or the new one.
func (c copies) save(id sourceID, f *fetchedDocument) error {
	if c.dir == "" {
		return nil
	}
	content := copyContent{Issuer: id.issuer, FetchedAt: f.at, ETag: f.etag, Body: string(f.body)}
	if id.kind == listDocument {
		content.ListURL = id.url
	} else {
		content.KeysURL = id.url
	}
	data, err := ijson.Marshal(content)
	if err != nil {
		return err
	}
	return disk.WriteFile(c.path(id), data, 0o600)
}

// remove removes the copy of id, if there is one.
func (c copies) remove(id sourceID) error {
	if c.dir == "" {
		return nil
	}
	return removeIfThere(c.path(id))
}

// load reads the copy in one file.
func (c copies) load(path string) (sourceID, *fetchedDocument, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return sourceID{}, nil, err
	}
	var content copyContent
	if err := ijson.Unmarshal(data, &content); err != nil {
		return sourceID{}, nil, err
	}
	id := content.id()
	if path != c.path(id) {
		return sourceID{}, nil, errors.New("holds the document of another issuer than its name says")
	}
	body := []byte(content.Body)
	hints, err := readHints(id, body)
	if err != nil {
		return sourceID{}, nil, err
	}
	return id, &fetchedDocument{hints: hints, number: documents.Add(1), at: content.FetchedAt, etag: content.ETag, body: body}, nil
}

func (c copyContent) id() sourceID {
	if c.ListURL != "" {
		return sourceID{issuer: c.Issuer, kind: listDocument, url: c.ListURL}
	}
	return sourceID{issuer: c.Issuer, kind: keyDocument, url: c.KeysURL}
}

// loadCopies loads the documents from before the restart. Files that cannot be used are
// skipped: the next fetch replaces them.
func (v *Verifier) loadCopies() error {
	if v.copies.dir == "" {
		return nil
	}
	if err := os.MkdirAll(v.copies.dir, 0o700); err != nil {
		return fmt.Errorf("making the directory of issuers' documents: %w", err)
	}
	entries, err := os.ReadDir(v.copies.dir)
	if err != nil {
		return fmt.Errorf("reading the directory of issuers' documents: %w", err)
	}
	for _, entry := range entries {
		path, err := filepath.Join(v.copies.dir, entry.Name()), error(nil)
		switch {
		case disk.Unfinished(entry.Name()): // left by a crash
			err = removeIfThere(path)
		case strings.HasSuffix(entry.Name(), copySuffix):
			err = v.loadCopy(path)
		}
		if err != nil {
			v.log.Warn("copy of an issuer's document is not used", "file", entry.Name(), "error", err)
		}
	}
	return nil
}

func (v *Verifier) loadCopy(path string) error {
	id, document, err := v.copies.load(path)
	if err != nil {
		return err
	}
	if document.at.After(v.now()) {
		return errors.New("was fetched in the future: one of the clocks is wrong")
	}
	v.addSource(id).current.Store(document)
	return nil
}

func removeIfThere(path string) error {
	if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
