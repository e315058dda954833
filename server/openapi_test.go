package server_test

import (
	gocmp "cmp"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/ijson"
	"github.com/verdict-pdp/verdict/server"
	"github.com/verdict-pdp/verdict/server/admin"
	surface "github.com/verdict-pdp/verdict/server/api"
	"github.com/verdict-pdp/verdict/server/events"
	"github.com/verdict-pdp/verdict/server/oauth"
	"github.com/verdict-pdp/verdict/server/route"
	"github.com/verdict-pdp/verdict/server/servertest"
	"github.com/verdict-pdp/verdict/store/storetest"
)

func document(t *testing.T) *openapi3.T {
	t.Helper()
	data, err := server.Document()
	if err != nil {
		t.Fatal(err)
	}
	doc, err := openapi3.NewLoader().LoadFromData(data)
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return doc
}

func TestDocumentIsServed(t *testing.T) {
	node := servertest.Start(t, nil)
	want, err := server.Document()
	if err != nil {
		t.Fatal(err)
	}
	for _, base := range []string{node.Decisions(), node.Admin()} {
		answer := node.Do(servertest.Call{URL: base + api.PathOpenAPI})
		if answer.Status != http.StatusOK || answer.Body != string(want) {
			t.Errorf("%s: %d, %d bytes", base, answer.Status, len(answer.Body))
		}
	}
}

func TestDocumentHasTheRoutes(t *testing.T) {
	node := servertest.Start(t, nil)
	var served, documented []string
	for _, route := range node.Server.Routes() {
		if route.Method == http.MethodHead {
			continue // is that of GET, see TestHead
		}
		operation := route.Method + " " + template(route.Path)
		if !slices.Contains(served, operation) { // some are on both listeners
			served = append(served, operation)
		}
	}
	for path, item := range document(t).Paths.Map() {
		for method := range item.Operations() {
			documented = append(documented, method+" "+path)
		}
	}
	slices.Sort(served)
	slices.Sort(documented)
	if diff := cmp.Diff(served, documented); diff != "" {
		t.Errorf("served (-) and documented (+) routes differ:\n%s", diff)
	}
}

// rows are those of every room that a Node serves.
func rows() []route.Row {
	return server.Rows(new(surface.Handler), new(events.Handler), new(oauth.Handler), new(admin.Handler))
}

// What a row says of a route is what the document says of it.
func TestDocumentIsOfTheRows(t *testing.T) {
	doc := document(t)
	for _, row := range rows() {
		t.Run(row.ID, func(t *testing.T) {
			item := doc.Paths.Value(row.Template())
			if item == nil || item.GetOperation(row.Method) == nil {
				t.Fatalf("%s %s is not documented", row.Method, row.Template())
			}
			operation := item.GetOperation(row.Method)
			if operation.OperationID != row.ID {
				t.Errorf("its id is %q, want %q", operation.OperationID, row.ID)
			}
			if diff := cmp.Diff(named(row), documented(operation)); diff != "" {
				t.Errorf("parameters of the row (-) and of the document (+):\n%s", diff)
			}
			if open := operation.Security != nil && len(*operation.Security) == 0; open != row.Public {
				t.Errorf("documented as open to everybody: %v, want %v", open, row.Public)
			}
			for _, role := range row.Needs() {
				if !strings.Contains(operation.Description, string(role)) {
					t.Errorf("the description does not name the role %s: %s", role, operation.Description)
				}
			}
			takes := row.Body != nil || len(row.Takes) > 0 || row.Handler.Body() != nil
			if (operation.RequestBody != nil) != takes {
				t.Errorf("documented with a body: %v, want %v", operation.RequestBody != nil, takes)
			}
			for _, answer := range row.Answers {
				if operation.Responses.Status(answer.Status) == nil {
					t.Errorf("the answer %d is not documented", answer.Status)
				}
			}
		})
	}
}

// named are the parameters of a row as "in name", sorted.
func named(row route.Row) []string {
	var all []string
	for _, name := range row.PathParams() {
		all = append(all, "path "+name)
	}
	for _, p := range row.Params {
		if p.In != route.InPath {
			all = append(all, string(gocmp.Or(p.In, route.InQuery))+" "+p.Name)
		}
	}
	slices.Sort(all)
	return all
}

func documented(operation *openapi3.Operation) []string {
	var all []string
	for _, p := range operation.Parameters {
		all = append(all, p.Value.In+" "+p.Value.Name)
	}
	slices.Sort(all)
	return all
}

// template writes an Echo route as OpenAPI does.
func template(route string) string {
	segments := strings.Split(route, "/")
	for i, segment := range segments {
		if name, ok := strings.CutPrefix(segment, ":"); ok {
			segments[i] = "{" + name + "}"
		}
	}
	return strings.Join(segments, "/")
}

func TestDocumentHasTheFilters(t *testing.T) {
	doc := document(t)
	for _, c := range authz.ServedCollections() {
		var got []string
		for _, parameter := range doc.Paths.Value("/v1/" + string(c)).Get.Parameters {
			got = append(got, parameter.Value.Name)
		}
		if diff := cmp.Diff(append([]string{"limit", "cursor"}, c.Filters()...), got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c, diff)
		}
	}
}

func TestDocumentHasTheRolesAndCollections(t *testing.T) {
	doc := document(t)
	var roles, collections []any
	for _, role := range authz.Roles() {
		roles = append(roles, string(role))
	}
	for _, c := range authz.ServedCollections() {
		collections = append(collections, string(c))
	}
	if diff := cmp.Diff(roles, doc.Components.Schemas["Role"].Value.Enum); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(collections, doc.Components.Schemas["CollectionName"].Value.Enum); diff != "" {
		t.Error(diff)
	}
}

var (
	when  = time.Date(2026, 11, 22, 10, 0, 0, 123, time.UTC)
	three = 3
)

// samples are entities by the name of their schema, each with every field set; of a kind
// that is not among them here, the sample of the store's tests.
func samples() map[string]authz.Entity {
	head := func(id string) authz.Header {
		return authz.Header{ID: id, CreatedAt: when, UpdatedAt: when, Revision: 7}
	}
	listed := authz.Listed{By: authz.ByToken, Of: authz.TokenID("https://i", "j"), Issuer: "https://i", Name: "j", Reason: "r"}
	id := authz.PairKey(listed.By, listed.Of)
	all := map[string]authz.Entity{
		"MachineUser": &authz.MachineUser{
			Header: head("mu:a"), Kind: "service", Origin: authz.OriginInternal, Tenant: "acme", Env: "prod", Owner: "core", Purpose: "p",
			Tier: 2, State: authz.StateActive, AllowedCIDRs: []string{"10.0.0.0/8"},
			AllowedHours:    []authz.Hours{{Days: []string{"mon"}, From: "22:00", To: "24:00", Zone: "Europe/Berlin"}},
			TokensValidFrom: when, ExpiresAt: when,
		},
		"User": &authz.User{
			Header: head("u-a"), Tenant: "acme", State: authz.StateActive,
			Addresses: []authz.Address{{ID: "a1", Purpose: "primary", Verified: true}}, OptOuts: []string{"email.marketing"},
		},
		"Tenant": &authz.Tenant{Header: head("acme"), Name: "Acme", Plan: "business", State: authz.StateActive},
		"Plan":   &authz.Plan{Header: head("business"), Name: "Business"},
		"Service": &authz.Service{
			Header: head("svc:email"), Tier: 1, Business: 3, Security: 3, DataClass: "pii", Env: "prod", Owner: "core",
			RequiredLevel: authz.RequiredLevel{Internal: &three, External: &three}, MaxTokenAgeS: 300,
		},
		"Edge": &authz.Edge{
			Header: head("mu:a/svc:email"), From: "mu:a", To: "svc:email", Actions: []string{"email.send"}, CIDRs: []string{"10.4.0.0/16"},
			RequiredLevel: &three, Mode: authz.ModeEnforce, Modes: map[string]string{"network": authz.ModeObserve},
			Exceptions: []authz.Exception{{Code: "AUTH_TOO_WEAK", Until: when, Owner: "core", Reason: "r"}}, Reason: "r", Owner: "core", ExpiresAt: when,
		},
		"Entitlement": &authz.Entitlement{
			Header: head("user:u-a/email.x"), Holder: "user:u-a", Feature: "email.x", Effect: authz.EffectGrant, AddressPurpose: "billing",
			Attributes: map[string]string{"k": "v"}, NotBefore: when.Add(-time.Hour), ExpiresAt: when, Source: "support",
		},
		"Credential": &authz.Credential{
			Header: head("cred-1"), MachineUser: "mu:a", Kind: "public_key", Generation: 2, State: authz.StateActive,
			NotBefore: when, NotAfter: when, Issuer: "demo", Names: []string{"spiffe://prod.example/a"}, Keys: []byte(`{"keys":[]}`),
			SecretHash: "$argon2id$", LastUsedAt: when, LastUsedFrom: "10.0.0.1",
		},
		"RotationSet": &authz.RotationSet{Header: head("email-pair"), Members: []string{"mu:a"}, Kind: authz.KindSharedSecret, Shared: true, QuietS: 600, Owner: "core"},
		"RotationRecord": &authz.Rotation{
			Header: head("email-pair"), Phase: authz.PhaseDrain, Kind: authz.KindSharedSecret, QuietS: 600,
			Members: []authz.RotationMember{{MachineUser: "mu:a", Old: []string{"c1"}, New: "c2"}},
			Steps:   []authz.RotationStep{{Step: authz.StepSwitch, At: when, By: "operator", Forced: true}},
		},
		"Issuer": &authz.Issuer{
			Header: head("demo"), URL: "https://issuer.example", Kind: "jwt", Keys: []byte(`{"keys":[]}`), JWKSURL: "https://issuer.example/jwks",
			Algorithms: authz.Algorithms(), Audiences: []string{"us"}, Types: []string{"at+jwt"},
			Claims:    authz.ClaimMapping{Subject: "sub", Tenant: "tenant", Env: "env", Scope: "scope", Methods: "amr", Credential: "credential_id"},
			FreshForS: 600, UsableForS: 86400, LeewayS: 5, Own: true,
			UsableForSByTier: map[string]int{"0": 1800}, SubjectIs: authz.SubjectIsFederated, Attested: true, Roots: "pem",
			Introspection: &authz.Introspection{URL: "https://a", ClientID: "us", Secret: "a", DeadlineMS: 100, NegativeForS: 5, TokenPrefix: "ll_"},
			StatusLists:   []string{"https://a/list"}, Events: &authz.EventStream{Audience: "us"},
			Status: &authz.IssuerStatus{
				State: "stale", Keys: 1, Ignored: 1, FetchedAt: when, FreshUntil: when, UsableUntil: when, UsableUntilByTier: map[string]time.Time{"0": when},
				ChangesInS: &three, NextRefresh: when, LastError: "e", LastErrorAt: when, Breaker: "open", StatusLists: map[string]authz.IssuerStatus{"https://a/list": {State: "fresh"}},
			},
		},
		"Revocation": &authz.Revocation{Header: head(id), Listed: listed, IssuedBefore: when, Until: when},
		"Renewal":    &authz.Renewal{Header: head(id), Listed: listed, IssuedBefore: when, Deadline: when, Until: when},
	}
	here := map[authz.Collection]bool{}
	for _, sample := range all {
		here[sample.Collection()] = true
	}
	for _, sample := range storetest.Samples() {
		if c := sample.Collection(); !here[c] && !c.Kind().Apart {
			all[reflect.TypeOf(sample).Elem().Name()] = sample
		}
	}
	return all
}

func TestEntitiesMatchTheirSchemas(t *testing.T) {
	doc := document(t)
	all := samples()
	if len(all) != len(authz.ServedCollections()) {
		t.Errorf("%d samples for %d collections", len(all), len(authz.ServedCollections()))
	}
	for name, entity := range all {
		data, err := ijson.Marshal(entity)
		if err != nil {
			t.Fatal(err)
		}
		if err := servertest.Validate(doc.Components.Schemas[name], data); err != nil {
			t.Errorf("%s: got error %v, data %s; want no error", name, err, data)
		}
		if err := servertest.Validate(doc.Components.Schemas[name], []byte(`{"made_up":1}`)); err == nil {
			t.Errorf("%s: the schema accepts an unknown member", name)
		}
	}
}

// Every member of the Go types is documented, and the other way round, all the
// way down.
func TestSchemasMatchTheGoTypes(t *testing.T) {
	types := map[string]any{
		"DecideRequest": api.DecideRequest{}, "BatchRequest": api.BatchRequest{}, "BatchResponse": api.BatchResponse{},
		"Decision": api.Decision{}, "Problem": api.Problem{}, "Health": api.Health{}, "Readiness": api.Readiness{},
		"Status": api.Status{}, "ChangeList": api.ChangeList[authz.Entity]{}, "Line": api.Line[authz.Entity]{},
		"ImportReport": api.ImportReport{}, "KeyRequest": api.KeyRequest{}, "KeyList": api.KeyList{},
		"SecretRequest": api.SecretRequest{}, "NewSecret": api.NewSecret[authz.Entity]{},
		"RevokeRequest": api.RevokeRequest{}, "RevocationListing": api.Listing[authz.Entity]{},
		"RenewRequest": api.RenewRequest{}, "RenewalListing": api.Listing[authz.Entity]{},
		"ActivateRequest": api.ActivateRequest{}, "RollbackRequest": api.RollbackRequest{}, "ModeRequest": api.ModeRequest{},
		"ShadowRequest": api.ShadowRequest{}, "ReplayRequest": api.ReplayRequest{}, "ReplayLine": api.ReplayLine{}, "ShadowReport": api.ShadowReport{}, "FileDiff": api.FileDiff{},
		"BundleList": api.BundleList{}, "Generation": authz.Generation{}, "GenerationList": api.GenerationList{},
		"Difference": api.Difference{}, "PolicyStatus": authz.PolicyStatus{}, "GuardList": api.GuardList{},
		"RecordList": authz.RecordPage{}, "ShownRecord": api.ShownRecord{}, "Comparison": authz.Comparison{},
		"Explanation": api.Explanation{}, "AuditPage": authz.AuditPage{}, "AuditedRecord": api.AuditedRecord{},
		"Rotation": api.Rotation{}, "StartRotation": api.StartRotation{}, "StartedRotation": api.StartedRotation{},
	}
	for name, entity := range samples() {
		types[name] = entity
		types[name+"List"] = api.EntityList[authz.Entity]{}
	}
	doc := document(t)
	for name, value := range types {
		t.Run(name, func(t *testing.T) {
			compare(t, name, reflect.TypeOf(value), doc.Components.Schemas[name].Value)
		})
	}
}

// compare walks a Go type and its schema together.
func compare(t *testing.T, at string, goType reflect.Type, schema *openapi3.Schema) {
	t.Helper()
	for goType.Kind() == reflect.Pointer {
		goType = goType.Elem()
	}
	if len(schema.OneOf) == 2 && schema.OneOf[0].Value.Type.Is("null") {
		schema = schema.OneOf[1].Value
	}
	switch {
	case goType.Kind() == reflect.Slice && goType.Elem().Kind() != reflect.Uint8:
		if schema.Items == nil {
			t.Errorf("%s is a list, and not documented as one", at)
			return
		}
		compare(t, at+"[]", goType.Elem(), schema.Items.Value)
	case goType.Kind() == reflect.Struct && goType != reflect.TypeFor[time.Time]():
		members := membersOf(goType)
		var names, documented []string
		for name := range members {
			names = append(names, name)
		}
		for name := range schema.Properties {
			documented = append(documented, name)
		}
		slices.Sort(names)
		slices.Sort(documented)
		if diff := cmp.Diff(names, documented); diff != "" {
			t.Errorf("%s: Go (-) and the document (+) differ:\n%s", at, diff)
			return
		}
		for _, name := range names {
			compare(t, fmt.Sprintf("%s.%s", at, name), members[name], schema.Properties[name].Value)
		}
	}
}

// membersOf is the JSON members of a struct with their types, those of embedded
// structs too.
func membersOf(goType reflect.Type) map[string]reflect.Type {
	members := map[string]reflect.Type{}
	for _, field := range reflect.VisibleFields(goType) {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if name != "" && name != "-" {
			members[name] = field.Type
		}
	}
	return members
}
