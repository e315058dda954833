package apikey_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/server/apikey"
)

func TestNewKeysAreReadable(t *testing.T) {
	seen := map[string]bool{}
	for _, id := range []string{"a", "operator", "pep_1", "a__", "v:k@x.y-z", "vk_a_b", strings.Repeat("x", authz.MaxIDLength)} {
		for range 50 { // secrets have underscores now and then
			key, hash := apikey.New(id)
			got, ok := apikey.ID(key)
			if !ok || got != id {
				t.Fatalf("the id of %q is %q, %v", key, got, ok)
			}
			if hash != apikey.Hash(key) || len(hash) != 64 || seen[hash] {
				t.Fatalf("hash %q", hash)
			}
			seen[hash] = true
			stored := authz.APIKey{Header: authz.Header{ID: id}, Hash: hash, Roles: authz.Roles()}
			if err := stored.Validate(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestOtherTextIsNoKey(t *testing.T) {
	secret := strings.Repeat("A", 43)
	for _, text := range []string{"", "vk_", "vk__", secret, "vk_" + secret, "vk__" + secret, "vk_a" + secret, "VK_a_" + secret, "vk_a b_" + secret, "vk_a_" + secret[1:], "vk_-_" + secret, "vk_a/b_" + secret} {
		if id, ok := apikey.ID(text); ok {
			t.Errorf("%q is a key of %q", text, id)
		}
	}
}

type finder struct {
	key *authz.APIKey
	err error
}

func (f finder) APIKey(_ context.Context, id string) (*authz.APIKey, bool, error) {
	return f.key, f.key != nil && f.key.ID == id, f.err
}

func TestAuthenticate(t *testing.T) {
	now := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	text, hash := apikey.New("pep")
	stored := &authz.APIKey{Header: authz.Header{ID: "pep"}, Name: "email gateway", Hash: hash, Roles: []authz.Role{authz.RoleDecide}}
	header := []string{"Bearer " + text}

	a := apikey.Authenticator{Keys: finder{key: stored}, Now: func() time.Time { return now }}
	caller, err := a.Authenticate(t.Context(), header)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(authz.Caller{ID: "pep", Name: "email gateway", Roles: []authz.Role{authz.RoleDecide}}, caller); diff != "" {
		t.Error(diff)
	}

	errDisk := errors.New("disk")
	refusals := map[string]struct {
		keys finder
		want func(error) bool
	}{
		"unknown":    {finder{}, unauthenticated},
		"other hash": {finder{key: &authz.APIKey{Header: stored.Header, Hash: apikey.Hash("x"), Roles: authz.Roles()}}, unauthenticated},
		"no hash":    {finder{key: &authz.APIKey{Header: stored.Header, Roles: authz.Roles()}}, unauthenticated},
		"failing":    {finder{key: stored, err: errDisk}, func(err error) bool { return errors.Is(err, errDisk) }},
	}
	for name, test := range refusals {
		t.Run(name, func(t *testing.T) {
			a := apikey.Authenticator{Keys: test.keys, Now: func() time.Time { return now }}
			caller, err := a.Authenticate(t.Context(), header)
			if !test.want(err) || caller.ID != "" || len(caller.Roles) > 0 {
				t.Errorf(`got caller %+v, error %v; want test.want(err), ID "", no Roles`, caller, err)
			}
			if err != nil && strings.Contains(err.Error(), text[len(text)-10:]) {
				t.Errorf("the error shows the key: %v", err)
			}
		})
	}
}

// The header is text, whatever protocol it came by.
func TestAuthorizationHeader(t *testing.T) {
	text, hash := apikey.New("pep")
	a := apikey.Authenticator{
		Keys: finder{key: &authz.APIKey{Header: authz.Header{ID: "pep"}, Hash: hash, Roles: authz.Roles()}},
		Now:  time.Now,
	}
	tests := map[string]struct {
		values []string
		says   string // of the refusal; empty: it is the caller's
	}{
		"once":      {[]string{"Bearer " + text}, ""},
		"any case":  {[]string{"bearer " + text}, ""},
		"missing":   {nil, "is missing"},
		"twice":     {[]string{"Bearer " + text, "Bearer " + text}, "more than once"},
		"no scheme": {[]string{text}, "another scheme than Bearer"},
		"basic":     {[]string{"Basic " + text}, "another scheme than Bearer"},
		"no key":    {[]string{"Bearer x"}, "is not an API key"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			caller, err := a.Authenticate(t.Context(), test.values)
			if test.says == "" {
				if err != nil || caller.ID != "pep" {
					t.Errorf("caller %q, error %v; want pep", caller.ID, err)
				}
				return
			}
			if !unauthenticated(err) || !strings.Contains(err.Error(), test.says) || caller.ID != "" {
				t.Errorf("caller %q, error %v; want one that says %q", caller.ID, err, test.says)
			}
		})
	}
}

func unauthenticated(err error) bool { return authz.CodeOf(err) == authz.CodeUnauthenticated }

func FuzzID(f *testing.F) {
	key, _ := apikey.New("a_b")
	f.Add(key)
	f.Add("vk__" + strings.Repeat("_", 43))
	f.Fuzz(func(t *testing.T, text string) {
		id, ok := apikey.ID(text)
		if !ok {
			return
		}
		if err := authz.ValidateID("id", id); err != nil {
			t.Error(err)
		}
		if !strings.HasPrefix(text, "vk_"+id+"_") || len(text) != len(id)+47 {
			t.Errorf("%q is read as a key of %q", text, id)
		}
	})
}
