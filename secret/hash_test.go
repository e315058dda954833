package secret_test

import (
	"encoding/base64"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/crypto/argon2"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/secret"
)

// cheap is the least hash there is, for tests that are not about its cost.
func cheap(text string) string {
	return cheapSalted(text, "somesalt")
}

func cheapSalted(text, salt string) string {
	return fmt.Sprintf("$argon2id$v=19$m=8,t=1,p=1$%s$%s", b64(salt), b64(string(argon2.IDKey([]byte(text), []byte(salt), 1, 8, 1, 16))))
}

func b64(text string) string { return base64.RawStdEncoding.EncodeToString([]byte(text)) }

func TestNewSecrets(t *testing.T) {
	form := regexp.MustCompile(`^vs_[A-Za-z0-9_-]{43}$`)
	seen := map[string]bool{}
	for range 1000 {
		s := secret.New()
		if !form.MatchString(s) || seen[s] {
			t.Fatalf("New gave %q, want vs_ and 43 characters that were not given before", s)
		}
		seen[s] = true
	}
}

func TestHash(t *testing.T) {
	text := secret.New()
	first, second := secret.Hash(text), secret.Hash(text)
	if first == second {
		t.Error("two hashes of one secret have the same salt")
	}
	form := regexp.MustCompile(`^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$`)
	c := newChecker(t, secret.Config{})
	for _, hash := range []string{first, second} {
		if !form.MatchString(hash) {
			t.Errorf("Hash gave %q, want the form %s", hash, form)
		}
		if err := secret.ValidateHash(hash); err != nil {
			t.Error(err)
		}
		index, err := c.Check(t.Context(), secret.Attempt{Secret: text, Candidates: []authz.SecretCandidate{{Hash: hash}}})
		if index != 0 || err != nil {
			t.Errorf("index %d, error %v; want 0", index, err)
		}
	}
}

// TestReferenceHash compares with a hash of the argon2 reference implementation
// (phc-winner-argon2, src/test.c), which also takes the most memory accepted.
func TestReferenceHash(t *testing.T) {
	const hash = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
	c := newChecker(t, secret.Config{})
	candidates := []authz.SecretCandidate{{ID: "imported", Hash: hash}}
	if index, err := c.Check(t.Context(), secret.Attempt{Secret: "passwore", Candidates: candidates}); index != -1 || err != authz.ErrSecretMismatch {
		t.Errorf("another secret: index %d, error %v; want -1, %v", index, err, authz.ErrSecretMismatch)
	}
	if index, err := c.Check(t.Context(), secret.Attempt{Secret: "password", Candidates: candidates}); index != 0 || err != nil {
		t.Errorf("the secret: index %d, error %v; want 0", index, err)
	}
}

func TestValidateHash(t *testing.T) {
	salt, tag := b64("somesalt"), b64(strings.Repeat("t", 32))
	end := "$" + salt + "$" + tag
	long := func(n int) string { return b64(strings.Repeat("x", n)) }
	tests := map[string]struct {
		hash string
		want string // in the error; "" accepts
	}{
		"least":                 {"$argon2id$v=19$m=8,t=1,p=1$" + salt + "$" + long(16), ""},
		"most":                  {"$argon2id$v=19$m=65536,t=4,p=4$" + long(64) + "$" + long(64), ""},
		"empty":                 {"", "must be an argon2id hash"},
		"the secret itself":     {"vs_" + strings.Repeat("A", 43), "must be an argon2id hash"},
		"bcrypt":                {"$2b$12$abcdefghijklmnopqrstuv", "must be an argon2id hash"},
		"argon2i":               {"$argon2i$v=19$m=19456,t=2,p=1" + end, "must be an argon2id hash"},
		"argon2d":               {"$argon2d$v=19$m=19456,t=2,p=1" + end, "must be an argon2id hash"},
		"version 16":            {"$argon2id$v=16$m=19456,t=2,p=1" + end, "must be an argon2id hash"},
		"no version":            {"$argon2id$m=19456,t=2,p=1" + end, "must be an argon2id hash"},
		"no tag":                {"$argon2id$v=19$m=19456,t=2,p=1$" + salt, "must be an argon2id hash"},
		"more after it":         {"$argon2id$v=19$m=19456,t=2,p=1" + end + "$", "must be an argon2id hash"},
		"keyid":                 {"$argon2id$v=19$m=19456,t=2,p=1,keyid=aaaa" + end, "must be an argon2id hash"},
		"other order":           {"$argon2id$v=19$t=2,m=19456,p=1" + end, "must be an argon2id hash"},
		"very long":             {"$argon2id$v=19$m=19456,t=2,p=1$" + salt + "$" + strings.Repeat("A", 1<<20), "must be an argon2id hash"},
		"memory over":           {"$argon2id$v=19$m=65537,t=2,p=1" + end, "m must be 8 to 65536"},
		"memory of 4 TiB":       {"$argon2id$v=19$m=4294967295,t=2,p=1" + end, "m must be"},
		"memory over 32 bits":   {"$argon2id$v=19$m=4294975488,t=2,p=1" + end, "m must be"},
		"memory under 8p":       {"$argon2id$v=19$m=31,t=2,p=4" + end, "m must be 32 to 65536"},
		"memory negative":       {"$argon2id$v=19$m=-8,t=2,p=1" + end, "m must be"},
		"memory signed":         {"$argon2id$v=19$m=+8,t=2,p=1" + end, "m must be"},
		"memory with zeros":     {"$argon2id$v=19$m=08,t=2,p=1" + end, "m must be"},
		"memory underscored":    {"$argon2id$v=19$m=1_000,t=2,p=1" + end, "m must be"},
		"memory missing":        {"$argon2id$v=19$m=,t=2,p=1" + end, "m must be"},
		"no time":               {"$argon2id$v=19$m=19456,t=0,p=1" + end, "t must be 1 to 4"},
		"time over":             {"$argon2id$v=19$m=19456,t=5,p=1" + end, "t must be 1 to 4"},
		"no threads":            {"$argon2id$v=19$m=19456,t=2,p=0" + end, "p must be 1 to 4"},
		"threads over":          {"$argon2id$v=19$m=19456,t=2,p=5" + end, "p must be 1 to 4"},
		"threads over 8 bits":   {"$argon2id$v=19$m=19456,t=2,p=257" + end, "p must be 1 to 4"},
		"short salt":            {"$argon2id$v=19$m=19456,t=2,p=1$" + long(7) + "$" + tag, "salt of 7 bytes; it must be 8 to 64"},
		"long salt":             {"$argon2id$v=19$m=19456,t=2,p=1$" + long(65) + "$" + tag, "salt of 65 bytes"},
		"short tag":             {"$argon2id$v=19$m=19456,t=2,p=1$" + salt + "$" + long(15), "hash of 15 bytes; it must be 16 to 64"},
		"no bytes in tag":       {"$argon2id$v=19$m=19456,t=2,p=1$" + salt + "$", "hash of 0 bytes"},
		"long tag":              {"$argon2id$v=19$m=19456,t=2,p=1$" + salt + "$" + long(65), "hash of 65 bytes"},
		"padded salt":           {"$argon2id$v=19$m=19456,t=2,p=1$" + salt + "=$" + tag, "salt that is not base64"},
		"base64url tag":         {"$argon2id$v=19$m=19456,t=2,p=1$" + salt + "$" + strings.Repeat("-_", 16), "hash that is not base64"},
		"line end in salt":      {"$argon2id$v=19$m=19456,t=2,p=1$" + salt + "\n$" + tag, "salt that is not base64"},
		"line end at the end":   {"$argon2id$v=19$m=19456,t=2,p=1" + end + "\n", "hash that is not base64"},
		"trailing bits not nil": {"$argon2id$v=19$m=19456,t=2,p=1$" + salt[:len(salt)-1] + "B$" + tag, "salt that is not base64"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			err := secret.ValidateHash(test.hash)
			switch {
			case test.want == "" && err != nil:
				t.Error(err)
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
				t.Errorf("error %v; want one with %q", err, test.want)
			case err != nil && strings.Contains(err.Error(), salt):
				t.Errorf("the error shows the salt: %v", err)
			}
		})
	}
}

// FuzzValidateHash holds that what is accepted is canonical and within bounds, so
// that comparing with it is affordable.
func FuzzValidateHash(f *testing.F) {
	f.Add(cheap("x"))
	f.Add("$argon2id$v=19$m=65536,t=4,p=4$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc")
	f.Add("$argon2id$v=19$m=4294967295,t=2,p=1$c29tZXNhbHQ\n$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc")
	form := regexp.MustCompile(`^\$argon2id\$v=19\$m=([1-9][0-9]{0,4}),t=[1-4],p=[1-4]\$[A-Za-z0-9+/]{11,86}\$[A-Za-z0-9+/]{22,86}$`)
	f.Fuzz(func(t *testing.T, hash string) {
		if secret.ValidateHash(hash) != nil {
			return
		}
		parts := form.FindStringSubmatch(hash)
		if parts == nil {
			t.Fatalf("accepted %q", hash)
		}
		var memory int
		if _, err := fmt.Sscan(parts[1], &memory); err != nil || memory < 8 || memory > 65536 {
			t.Errorf("accepted m=%d (%v)", memory, err)
		}
		for _, text := range strings.Split(hash, "$")[4:] {
			if b, err := base64.RawStdEncoding.Strict().DecodeString(text); err != nil || base64.RawStdEncoding.EncodeToString(b) != text {
				t.Errorf("accepted %q", text)
			}
		}
	})
}
