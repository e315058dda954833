package statuslist_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/token/statuslist"
)

func TestStatusNames(t *testing.T) {
	// :: status -> name; those not listed are reserved
	want := map[statuslist.Status]string{
		0: "valid", 1: "invalid", 2: "suspended", 3: "application_specific",
		12: "application_12", 13: "application_13", 14: "application_14", 15: "application_15",
	}
	got := map[statuslist.Status]string{}
	for i := range 256 {
		status := statuslist.Status(i)
		if status.Valid() != (i == 0) {
			t.Errorf("%d is valid: %v", i, status.Valid())
		}
		if name := status.String(); name != "reserved" {
			got[status] = name
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
