package statuslist_test

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/test/vectors"
	"github.com/verdict-pdp/verdict/token/statuslist"
)

type draftVectors struct {
	Vectors []struct {
		Name     string       `json:"name"`
		Bits     int          `json:"bits"`
		Size     int          `json:"size"`
		List     string       `json:"lst"`
		Statuses map[int]byte `json:"statuses"`
		NonZero  int          `json:"nonzero_count"`
	} `json:"vectors"`
	Short []struct {
		Name     string `json:"name"`
		Bits     int    `json:"bits"`
		List     string `json:"lst"`
		Bytes    string `json:"bytes_hex"`
		Statuses []int  `json:"statuses"`
	} `json:"short_vectors"`
	Token  string `json:"status_list_token_example"`
	Claims struct {
		Status json.RawMessage `json:"status"`
	} `json:"referenced_token_claim_example"`
}

// draft reads the vectors of the draft.
func draft(t *testing.T) (v draftVectors) {
	t.Helper()
	if err := json.Unmarshal(vectors.Read(t, "oauth/token-status-list-vectors.json"), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// The long vectors: every entry of all of them, those not named being valid.
func TestDraftVectors(t *testing.T) {
	read := map[int]int{} // :: bits -> entries that are not valid
	for _, vector := range draft(t).Vectors {
		list := parse(t, vector.Bits, vector.List)
		if list.Len() != vector.Size {
			t.Errorf("%s: %d entries, want %d", vector.Name, list.Len(), vector.Size)
		}
		nonZero := 0
		for index, got := range values(t, list) {
			if got != vector.Statuses[index] {
				t.Errorf("%s: entry %d is %d, want %d", vector.Name, index, got, vector.Statuses[index])
			}
			if got != 0 {
				nonZero++
			}
		}
		if nonZero != vector.NonZero {
			t.Errorf("%s: %d entries are not valid, want %d", vector.Name, nonZero, vector.NonZero)
		}
		read[vector.Bits] += nonZero
	}
	if diff := cmp.Diff(map[int]int{1: 11, 2: 11, 4: 15, 8: 255}, read); diff != "" {
		t.Errorf("entries that are not valid, by bits (-want +got):\n%s", diff)
	}
}

// The short vectors, both ways: packed by encode, they are the draft's bytes.
func TestDraftShortVectors(t *testing.T) {
	read := map[int]int{} // :: bits -> entries
	for _, vector := range draft(t).Short {
		want := make([]byte, len(vector.Statuses))
		for i, status := range vector.Statuses {
			want[i] = byte(status)
		}
		if diff := cmp.Diff(want, values(t, parse(t, vector.Bits, vector.List))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", vector.Name, diff)
		}
		// Read as statuses of 8 bits, a list is its bytes.
		if got := hex.EncodeToString(values(t, parse(t, 8, encode(t, vector.Bits, want)))); got != vector.Bytes {
			t.Errorf("%s: packed %s, want %s", vector.Name, got, vector.Bytes)
		}
		read[vector.Bits] += len(want)
	}
	if diff := cmp.Diff(map[int]int{1: 16, 2: 12}, read); diff != "" {
		t.Errorf("entries by bits (-want +got):\n%s", diff)
	}
}

// The draft's token and the reference to it meet at a status.
func TestDraftExamples(t *testing.T) {
	v := draft(t)
	reference, err := statuslist.ParseReference(v.Claims.Status)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(statuslist.Reference{Index: 0, URI: "https://example.com/statuslists/1"}, reference); diff != "" {
		t.Fatal(diff)
	}
	parts := strings.Split(v.Token, ".")
	if len(parts) != 3 {
		t.Fatalf("the example has %d parts", len(parts))
	}
	claims, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	list, err := statuslist.Parse(claims, reference.URI)
	if err != nil {
		t.Fatal(err)
	}
	status, err := list.Value(reference.Index)
	if err != nil || status != statuslist.Invalid || list.Len() != 16 {
		t.Errorf("entry %d of %d is %v, %v", reference.Index, list.Len(), status, err)
	}
	if list.IssuedAt().Unix() != 1686920170 || list.ExpiresAt().Unix() != 2291720170 || list.TTL().Seconds() != 43200 {
		t.Errorf("issued at %v, expires at %v, ttl %v; want 1686920170, 2291720170, 12h", list.IssuedAt(), list.ExpiresAt(), list.TTL())
	}
}
