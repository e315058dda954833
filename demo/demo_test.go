package demo_test

import (
	"bufio"
	"encoding/json"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/demo"
	"github.com/verdict-pdp/verdict/ijson"
)

// brightfold reads the demo data the way an import does.
func brightfold(t *testing.T) []authz.Entity {
	t.Helper()
	var entities []authz.Entity
	lines := bufio.NewScanner(demo.Import(demo.Day))
	for n := 1; lines.Scan(); n++ {
		var line struct {
			Collection authz.Collection `json:"collection"`
			Entity     json.RawMessage  `json:"entity"`
		}
		if err := ijson.Unmarshal(lines.Bytes(), &line); err != nil {
			t.Fatalf("line %d: %v", n, err)
		}
		entity := line.Collection.New()
		if entity == nil {
			t.Fatalf("line %d: no collection %q", n, line.Collection)
		}
		if err := ijson.Unmarshal(line.Entity, entity); err != nil {
			t.Fatalf("line %d: %v", n, err)
		}
		entity.Normalize()
		if err := entity.Validate(); err != nil {
			t.Fatalf("line %d: %v", n, err)
		}
		entities = append(entities, entity)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return entities
}

func TestEveryEntityIsThereOnceAfterWhatItRefersTo(t *testing.T) {
	written := make(map[string]bool)
	for _, entity := range brightfold(t) {
		for _, reference := range references(entity) {
			if !written[reference] {
				t.Errorf("%s refers to %s, which no line before it has", entity.Head().ID, reference)
			}
		}
		key := string(entity.Collection()) + " " + entity.Head().ID
		if written[key] {
			t.Errorf("%s is there twice, want once", key)
		}
		written[key] = true
	}
}

// references lists what an entity names, as "collection id".
func references(entity authz.Entity) []string {
	var names []string
	refer := func(c authz.Collection, id string) {
		if id != "" {
			names = append(names, string(c)+" "+id)
		}
	}
	switch e := entity.(type) {
	case *authz.Tenant:
		refer(authz.Plans, e.Plan)
	case *authz.User:
		refer(authz.Tenants, e.Tenant)
	case *authz.MachineUser:
		refer(authz.Tenants, e.Tenant)
	case *authz.Edge:
		refer(authz.MachineUsers, e.From)
		refer(authz.Services, e.To)
	case *authz.Entitlement:
		kind, id, _ := strings.Cut(e.Holder, ":")
		refer(authz.Collection(kind+"s"), id)
	case *authz.Credential:
		refer(authz.MachineUsers, e.MachineUser)
	case *authz.RotationSet:
		for _, member := range e.Members {
			refer(authz.MachineUsers, member)
		}
	}
	return names
}

func TestDataHoldsTheWholeCompany(t *testing.T) {
	got := make(map[authz.Collection]int)
	for _, entity := range brightfold(t) {
		got[entity.Collection()]++
	}
	want := map[authz.Collection]int{
		authz.Plans: 3, authz.Tenants: 3, authz.Users: 8, authz.Services: 14, authz.MachineUsers: 17,
		authz.Edges: 30, authz.Entitlements: 12, authz.Credentials: 15, authz.RotationSets: 3,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("entities by collection (-want +got):\n%s", diff)
	}
}

// The seed's gaps are what the demo shows: they must not be repaired by accident.
func TestDataKeepsItsGaps(t *testing.T) {
	var unowned, wildcards, excepted []string
	for _, entity := range brightfold(t) {
		switch e := entity.(type) {
		case *authz.MachineUser:
			if e.Owner == "" {
				unowned = append(unowned, e.ID)
			}
		case *authz.Edge:
			if slices.Contains(e.Actions, authz.AnyAction) {
				wildcards = append(wildcards, e.ID)
			}
			if len(e.Exceptions) > 0 {
				excepted = append(excepted, e.ID)
			}
		}
	}
	want := map[string][]string{"unowned": {"mu:legacy-cron"}, "wildcards": {"mu:legacy-cron/svc:email"}, "excepted": {"mu:billing-svc/svc:token", "mx:ledgerlink/svc:partner-gw"}}
	if diff := cmp.Diff(want, map[string][]string{"unowned": unowned, "wildcards": wildcards, "excepted": excepted}); diff != "" {
		t.Errorf("gaps (-want +got):\n%s", diff)
	}
}

// TestDatesMoveWithTheDay: as it is written on Day, and at any other time of the same day;
// every date as many days later as the day is, and nothing else changed.
func TestDatesMoveWithTheDay(t *testing.T) {
	dates := regexp.MustCompile(`\d{4}-\d\d-\d\dT[0-9:]+Z`)
	text := func(at time.Time) string {
		t.Helper()
		all, err := io.ReadAll(demo.Import(at))
		if err != nil {
			t.Fatal(err)
		}
		return string(all)
	}
	written := text(demo.Day)
	if evening := text(demo.Day.Add(23 * time.Hour)); evening != written {
		t.Error("the data is another one in the evening of its day")
	}
	if len(dates.FindAllString(written, -1)) < 20 {
		t.Fatalf("found %d dates, want those of the credentials and more", len(dates.FindAllString(written, -1)))
	}
	const days = 1000
	later := text(demo.Day.AddDate(0, 0, days).Add(time.Hour))
	for i, was := range dates.FindAllString(written, -1) {
		at, err := time.Parse(time.RFC3339, was)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := dates.FindAllString(later, -1)[i], at.AddDate(0, 0, days).Format(time.RFC3339); got != want {
			t.Errorf("%s became %s after %d days, want %s", was, got, days, want)
		}
	}
	if diff := cmp.Diff(dates.ReplaceAllString(written, "DATE"), dates.ReplaceAllString(later, "DATE")); diff != "" {
		t.Errorf("beside the dates (-written +later):\n%s", diff)
	}
	for _, entity := range brightfold(t) {
		if c, ok := entity.(*authz.Credential); ok && !c.NotAfter.IsZero() && !c.NotAfter.After(demo.Day) {
			t.Errorf("credential %s has ended on Day, at %s; want all good", c.ID, c.NotAfter)
		}
	}
}
