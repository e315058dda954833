package store

import (
	"context"
	"slices"

	"github.com/dgraph-io/badger/v4"

	"github.com/verdict-pdp/verdict/authz"
)

// IssuerByURL finds the issuer whose URL is exactly url.
func (v *Snapshot) IssuerByURL(url string) (*authz.Issuer, bool, error) {
	if err := v.usable(issuersCode); err != nil {
		return nil, false, err
	}
	var found []*authz.Issuer
	var err error
	if index := v.state.issuers(); index != nil {
		found = index.withURL(url)
	} else {
		found, err = listCold[*authz.Issuer](v, issuersCode, "url", url, 1)
	}
	if err != nil || len(found) == 0 {
		return nil, false, err
	}
	return found[0], true, nil
}

// IssuerByID finds an issuer by its id.
func (v *Snapshot) IssuerByID(id string) (*authz.Issuer, bool, error) {
	return shared[*authz.Issuer](v, issuersCode, id)
}

// IssuersOf lists the issuers of one kind, in the order of their ids.
func (v *Snapshot) IssuersOf(kind string) ([]*authz.Issuer, error) {
	if err := v.usable(issuersCode); err != nil {
		return nil, err
	}
	if index := v.state.issuers(); index != nil {
		found, _ := index.byKind.get(kind)
		return slices.Clip(found), nil
	}
	return listCold[*authz.Issuer](v, issuersCode, "kind", kind, 0)
}

// Credential finds a credential by its id.
func (v *Snapshot) Credential(id string) (*authz.Credential, bool, error) {
	return shared[*authz.Credential](v, credentialsCode, id)
}

// CredentialsOf lists the credentials of a machine user: accepted ones first, of
// those and of the others the newest generation first, and those of one generation in
// the order of their ids; at most authz.MaxCredentials of them. Of a cold collection
// it reads all of them.
func (v *Snapshot) CredentialsOf(machineUser string) ([]*authz.Credential, error) {
	if err := v.usable(credentialsCode); err != nil {
		return nil, err
	}
	if index := v.state.credentials(); index != nil {
		found, _ := index.byUser.get(machineUser)
		return firstCredentials(found), nil
	}
	found, err := listCold[*authz.Credential](v, credentialsCode, "machine_user", machineUser, 0)
	slices.SortFunc(found, acceptedFirst)
	return firstCredentials(found), err
}

// CredentialsNamed lists the credentials that have name among their Names, in the
// order of CredentialsOf and as many.
func (v *Snapshot) CredentialsNamed(name string) ([]*authz.Credential, error) {
	if err := v.usable(credentialsCode); err != nil {
		return nil, err
	}
	if index := v.state.credentials(); index != nil {
		found, _ := index.byName.get(name)
		return firstCredentials(found), nil
	}
	found, err := listCold[*authz.Credential](v, credentialsCode, namesIndex, name, 0)
	slices.SortFunc(found, acceptedFirst)
	return firstCredentials(found), err
}

func firstCredentials(all []*authz.Credential) []*authz.Credential {
	return slices.Clip(all[:min(len(all), authz.MaxCredentials)])
}

// APIKey finds an API key by id, as it is now. The result is shared and must not be
// changed. It is asked once for every request: of hot keys it reads one pointer and
// opens no snapshot. CodeUnavailable after Close.
func (s *Store) APIKey(_ context.Context, id string) (*authz.APIKey, bool, error) {
	select {
	case <-s.db.Closing():
		return nil, false, errClosed()
	default:
	}
	if hot := s.state.Load().hotFor(apiKeysCode, id); hot != nil {
		rec, _ := hot.records.get(id)
		return sharedEntity[*authz.APIKey](apiKeysCode, rec)
	}
	view, err := s.Snapshot()
	if err != nil {
		return nil, false, err
	}
	defer view.Close()
	return view.APIKey(id)
}

// APIKey finds an API key by id. The result is shared and must not be changed.
func (v *Snapshot) APIKey(id string) (*authz.APIKey, bool, error) {
	return shared[*authz.APIKey](v, apiKeysCode, id)
}

// shared is a decoded entity that is not to be changed.
func shared[E authz.Entity](v *Snapshot, code collCode, key string) (found E, ok bool, err error) {
	rec, err := v.record(code, key)
	if err != nil {
		return found, false, err
	}
	return sharedEntity[E](code, rec)
}

// sharedEntity is what a record holds, ok false for no record.
func sharedEntity[E authz.Entity](code collCode, rec *record) (found E, ok bool, err error) {
	if rec == nil {
		return found, false, nil
	}
	if err := decodeHot(code, rec); err != nil {
		return found, false, err
	}
	return rec.entity.(E), true, nil
}

// listCold reads what a Badger index holds under value, up to limit entities; 0
// means all.
func listCold[E authz.Entity](v *Snapshot, code collCode, index, value string, limit int) (found []E, err error) {
	err = v.cold(func(txn *badger.Txn) error {
		keys, err := indexed(txn, code, index, value, limit)
		for _, key := range keys {
			rec, err := readPromised(txn, ref{code: code, key: key})
			if err != nil {
				return err
			}
			v.store.stats.coldReads.Add(1)
			if err := decodeHot(code, rec); err != nil {
				return err
			}
			found = append(found, rec.entity.(E))
		}
		return err
	})
	return found, err
}

// Issuers lists every registered issuer, nil when the store cannot be read.
func (s *Store) Issuers() []*authz.Issuer {
	all := []*authz.Issuer{}
	for cursor := ""; ; {
		page, err := s.List(context.Background(), authz.Query{Collection: authz.Issuers, Cursor: cursor, Limit: authz.MaxPageSize})
		if err != nil {
			return nil
		}
		for _, item := range page.Items {
			all = append(all, item.(*authz.Issuer))
		}
		if cursor = page.NextCursor; cursor == "" {
			return all
		}
	}
}

// Ready is an error while the data cannot be read.
func (s *Store) Ready() error {
	view, err := s.Snapshot()
	if err != nil {
		return err
	}
	view.Close()
	return nil
}
