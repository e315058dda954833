package usage_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/usage"
)

// shelf is a usage.Store that loses races.
type shelf struct {
	credentials map[string]authz.Credential
	races       int   // writes that another one comes before
	fails       error // of every read
	writes      int
}

func (s *shelf) Get(_ authz.Collection, key string) (authz.Entity, error) {
	if s.fails != nil {
		return nil, s.fails
	}
	c, ok := s.credentials[key]
	if !ok {
		return nil, authz.Errorf(authz.CodeNotFound, "no credential %s", key)
	}
	return &c, nil
}

func (s *shelf) Write(_ context.Context, entities []authz.Entity) (uint64, error) {
	s.writes++
	if s.races > 0 {
		s.races--
		for key, c := range s.credentials {
			c.Revision++
			s.credentials[key] = c
		}
	}
	for _, e := range entities {
		if c := e.(*authz.Credential); c.Revision != s.credentials[c.ID].Revision {
			return 0, authz.Errorf(authz.CodePrecondition, "%s is at another revision", c.ID)
		}
	}
	for _, e := range entities {
		c := *e.(*authz.Credential)
		c.Revision++
		s.credentials[c.ID] = c
	}
	return 1, nil
}

func TestWriteTo(t *testing.T) {
	used := func(id string) usage.Use { return usage.Use{Credential: id, At: at(7), From: "10.0.0.1"} }
	tests := map[string]struct {
		uses    []usage.Use
		races   int
		fails   error
		written []string
		writes  int
		want    authz.ErrorCode
	}{
		"written together":            {uses: []usage.Use{used("a"), used("b")}, written: []string{"a", "b"}, writes: 1},
		"one that is gone":            {uses: []usage.Use{used("gone"), used("b")}, written: []string{"b"}, writes: 1},
		"all are gone":                {uses: []usage.Use{used("gone")}},
		"a lost race is made good":    {uses: []usage.Use{used("a")}, races: 7, written: []string{"a"}, writes: 8},
		"races without end":           {uses: []usage.Use{used("a")}, races: 100, writes: 8, want: authz.CodeUnavailable},
		"a store that cannot be read": {uses: []usage.Use{used("a")}, fails: authz.Errorf(authz.CodeUnavailable, "closed"), want: authz.CodeUnavailable},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := &shelf{races: test.races, fails: test.fails, credentials: map[string]authz.Credential{}}
			for _, id := range []string{"a", "b"} {
				s.credentials[id] = authz.Credential{Header: authz.Header{ID: id, Revision: 3}}
			}
			if err := usage.WriteTo(s)(t.Context(), test.uses); authz.CodeOf(err) != test.want {
				t.Errorf("error %v, want code %q", err, test.want)
			}
			if s.writes != test.writes {
				t.Errorf("%d writes, want %d", s.writes, test.writes)
			}
			var written []string
			for _, id := range []string{"a", "b"} {
				if c := s.credentials[id]; c.LastUsedAt.Equal(at(7)) && c.LastUsedAt.Location() == time.UTC && c.LastUsedFrom == "10.0.0.1" {
					written = append(written, id)
				}
			}
			if diff := cmp.Diff(test.written, written); diff != "" {
				t.Errorf("last uses stored (-want +got):\n%s", diff)
			}
		})
	}
}
