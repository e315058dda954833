package client_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/client"
	"github.com/verdict-pdp/verdict/cmd/config"
	"github.com/verdict-pdp/verdict/cmd/daemon"
	"github.com/verdict-pdp/verdict/demo"
	"github.com/verdict-pdp/verdict/test/pdptest"
)

// node is a Verdict that runs, with a client of each of its listeners. Both decode
// strictly, and every exchange is held against the OpenAPI document.
type node struct {
	*pdptest.PDP
	t                testing.TB
	decisions, admin *client.Client
	seen             *exchanges
}

func startNode(t testing.TB) *node {
	t.Helper()
	n := &node{t: t, seen: &exchanges{t: t}}
	n.PDP = pdptest.Start(t, pdptest.Settings{Demo: true, Log: io.Discard, Change: func(c *config.Config) {
		c.TokenService.Issuer, c.TokenService.Service = "https://verdict.brightfold.example", "svc:ours"
	}})
	all := n.NewKey(authz.RoleDecide, authz.RoleSimulate, authz.RoleTransmit, authz.RoleAssertClaims)
	everything := n.NewKey(authz.RoleOperate, authz.RoleAuthor, authz.RoleReview)
	n.decisions, n.admin = n.client(n.DecisionsURL(), all), n.client(n.AdminURL(), everything)
	return n
}

func (n *node) client(server, key string) *client.Client {
	n.t.Helper()
	c, err := client.New(client.Config{Server: server, Key: key, Attempts: 1})
	if err != nil {
		n.t.Fatal(err)
	}
	c.Strict()
	c.Through(func(to http.RoundTripper) http.RoundTripper {
		n.seen.to = to
		return n.seen
	})
	return c
}

// story is the calls of a test by operation: each calls its method, and says what is
// wrong with the answer.
type story struct {
	operation string
	call      func(ctx context.Context) error
}

func want(ok bool, answer any) error {
	if ok {
		return nil
	}
	text, err := json.Marshal(answer)
	return errors.Join(errors.New("the answer is "+string(text)), err)
}

func holds[T any](answer T, err error, ok func(T) bool) error {
	if err != nil {
		return err
	}
	return want(ok(answer), answer)
}

// code is nil when err is an *Error of a code.
func code(err error, wanted authz.ErrorCode) error {
	var failed *client.Error
	if errors.As(err, &failed) && failed.Code == wanted && failed.RequestID != "" {
		return nil
	}
	return errors.Join(errors.New("want an error of code "+string(wanted)), err)
}

// TestEveryOperation calls the method of every operation once on a server that runs.
func TestEveryOperation(t *testing.T) {
	n := startNode(t)
	stories := slices.Concat(n.decisionStories(), n.logStories(), n.dataStories(), n.policyStories(), n.keyStories(), n.rotationStories(), n.tokenStories(), n.entityStories())
	called := map[string]bool{}
	for _, s := range stories {
		n.seen.forget()
		if err := s.call(t.Context()); err != nil {
			t.Errorf("%s: got error %v; want no error", s.operation, err)
		}
		if got := n.seen.forget(); !slices.Contains(got, s.operation) {
			t.Errorf("the method of %s called %v", s.operation, got)
		}
		called[s.operation] = true
	}
	for _, row := range daemon.Rows() {
		if !called[row.ID] {
			t.Errorf("no method was called for %s %s (%s)", row.Method, row.Path, row.ID)
		}
		delete(called, row.ID)
	}
	for id := range called {
		t.Errorf("%s is no operation of the server", id)
	}
}

func question() api.DecideRequest {
	return api.DecideRequest{
		Credential: &api.Credential{Claims: json.RawMessage(`{"sub":"mu:user-svc"}`)},
		Action:     &api.Action{Name: "email.send"}, Resource: &api.Resource{Type: "service", ID: "svc:email"},
		Explain: api.ExplainFull,
	}
}

func (n *node) decisionStories() []story {
	asked := question()
	asked.Credential = &api.Credential{Token: n.Token("mu:user-svc")}
	raw, err := json.Marshal(asked)
	if err != nil {
		n.t.Fatal(err)
	}
	decided := func(d api.Decision) bool { return d.ID != "" && d.Explanation != nil && d.Trust.Level > 0 }
	batch := api.BatchRequest{Credential: asked.Credential, Items: []api.BatchItem{{Action: asked.Action, Resource: asked.Resource}, {Action: asked.Action, Resource: asked.Resource}}}
	rawBatch, err := json.Marshal(batch)
	if err != nil {
		n.t.Fatal(err)
	}
	two := func(b api.BatchResponse) bool { return len(b.Decisions) == 2 && b.Decisions[1].ID != "" }
	return []story{
		{"decide", func(ctx context.Context) error {
			d, err := n.decisions.Decide(ctx, asked)
			return holds(d, err, decided)
		}},
		{"decide", func(ctx context.Context) error {
			d, err := n.decisions.DecideJSON(ctx, raw)
			return holds(d, err, decided)
		}},
		{"decideBatch", func(ctx context.Context) error {
			b, err := n.decisions.DecideBatch(ctx, batch)
			return holds(b, err, two)
		}},
		{"decideBatch", func(ctx context.Context) error {
			b, err := n.decisions.DecideBatchJSON(ctx, rawBatch)
			return holds(b, err, two)
		}},
		{"simulate", func(ctx context.Context) error {
			d, err := n.decisions.Simulate(ctx, asked)
			return holds(d, err, decided)
		}},
		{"health", func(ctx context.Context) error {
			h, err := n.decisions.Health(ctx)
			return holds(h, err, func(h api.Health) bool { return h.OK })
		}},
		{"ready", func(ctx context.Context) error {
			r, err := n.decisions.Ready(ctx)
			return holds(r, err, func(r api.Readiness) bool { return r.Ready })
		}},
		{"openapi", func(ctx context.Context) error {
			d, err := n.decisions.OpenAPI(ctx)
			return holds(d, err, func(d json.RawMessage) bool { return strings.Contains(string(d), `"operationId"`) })
		}},
		{"receiveEvent", func(ctx context.Context) error {
			var failed *client.Error
			if err := n.decisions.ReceiveEvent(ctx, "no.signed.event"); !errors.As(err, &failed) || failed.Status != http.StatusBadRequest {
				return errors.Join(errors.New("want status 400"), err)
			}
			return nil
		}},
	}
}

// some reads a list to its end, and wants at least so many.
func some[E any](list iter.Seq2[E, error], least int) error {
	n := 0
	for _, err := range list {
		if err != nil {
			return err
		}
		n++
	}
	return want(n >= least, n)
}

func (n *node) logStories() []story {
	var record authz.Record
	var change authz.AuditedChange
	return []story{
		{"listDecisions", func(ctx context.Context) error {
			return some(n.admin.ListDecisions(ctx, authz.RecordFilter{Service: "svc:email", From: n.Clock.Now().Add(-time.Hour)}), 4)
		}},
		{"listDecisions", func(ctx context.Context) error {
			page, err := n.admin.ListDecisionsPage(ctx, authz.RecordFilter{Subject: "mu:user-svc"}, client.Paging{Limit: 1})
			record = page.Items[0]
			return holds(page, err, func(p authz.RecordPage) bool { return len(p.Items) == 1 && p.NextCursor != "" && p.Head > 1 })
		}},
		{"listDecisions", func(ctx context.Context) error {
			page, err := n.admin.ListDecisionsAfter(ctx, authz.RecordFilter{}, client.Following{After: record.Seq - 1, Limit: 10, Wait: time.Second})
			return holds(page, err, func(p authz.RecordPage) bool { return len(p.Items) > 0 && p.NextAfter >= record.Seq })
		}},
		{"getDecision", func(ctx context.Context) error {
			shown, err := n.admin.GetDecision(ctx, record.ID, api.ExplainFull)
			return holds(shown, err, func(s api.ShownRecord) bool { return s.Record.ID == record.ID && s.Explanation != nil })
		}},
		{"exportDecisions", func(ctx context.Context) error {
			var lines bytes.Buffer
			err := n.admin.ExportDecisions(ctx, authz.RecordFilter{Outcome: record.Decision.String()}, &lines)
			return holds(lines.String(), err, func(text string) bool { return strings.Contains(text, record.ID) })
		}},
		{"verifyDecisions", func(ctx context.Context) error {
			report, err := n.admin.VerifyDecisions(ctx)
			return holds(report, err, func(r authz.VerifyReport) bool { return r.OK && r.Records > 0 })
		}},
		{"listChanges", func(ctx context.Context) error {
			return some(n.admin.ListChanges(ctx, authz.AuditFilter{Kind: authz.ChangeKeyCreate}), 2)
		}},
		{"listChanges", func(ctx context.Context) error {
			page, err := n.admin.ListChangesPage(ctx, authz.AuditFilter{Outcome: authz.ChangeMade}, client.Paging{Limit: 1})
			change = page.Items[0]
			return holds(page, err, func(p authz.AuditPage) bool { return len(p.Items) == 1 && p.Head > 0 })
		}},
		{"listChanges", func(ctx context.Context) error {
			page, err := n.admin.ListChangesAfter(ctx, authz.AuditFilter{}, client.Following{After: change.Number - 1, Limit: 1})
			return holds(page, err, func(p authz.AuditPage) bool { return p.NextAfter >= change.Number })
		}},
		{"getChange", func(ctx context.Context) error {
			shown, err := n.admin.GetChange(ctx, change.ID)
			return holds(shown, err, func(s api.AuditedRecord) bool { return s.Change.ID == change.ID && s.Seq > 0 })
		}},
		{"getChange", func(ctx context.Context) error {
			_, err := n.admin.GetChange(ctx, "none")
			return code(err, authz.CodeNotFound)
		}},
	}
}

func (n *node) dataStories() []story {
	copied := func(of func(context.Context, io.Writer) error, has string) func(context.Context) error {
		return func(ctx context.Context) error {
			var b bytes.Buffer
			err := of(ctx, &b)
			return holds(b.Len(), err, func(int) bool { return strings.Contains(b.String(), has) })
		}
	}
	return []story{
		{"status", func(ctx context.Context) error {
			s, err := n.admin.Status(ctx)
			return holds(s, err, func(s api.Status) bool { return s.Version == "test" && s.Collections["edges"] > 0 })
		}},
		{"changes", func(ctx context.Context) error {
			list, err := n.admin.Changes(ctx, client.Following{Limit: 5, Wait: time.Second})
			return holds(list, err, func(l api.ChangeList[json.RawMessage]) bool { return len(l.Changes) > 0 && l.NextAfter > 0 })
		}},
		{"import", func(ctx context.Context) error {
			report, err := n.admin.Import(ctx, strings.NewReader(`{"collection":"plans","entity":{"id":"plan:imported","name":"Imported"}}`+"\nbroken\n"))
			return holds(report, err, func(r api.ImportReport) bool { return r.Written == 1 && r.Failed == 1 && len(r.Errors) == 1 })
		}},
		{"export", copied(func(ctx context.Context, w io.Writer) error { return n.admin.Export(ctx, w, authz.Plans, authz.Edges) }, "plan:imported")},
		{"backup", copied(n.admin.Backup, "")},
		{"metrics", copied(n.admin.Metrics, "verdict_")},
	}
}

func (n *node) policyStories() []story {
	named := func(g authz.Generation) bool { return g.Number > 0 && len(g.Bundles) > 0 }
	var base bytes.Buffer
	return []story{
		{"listBundles", func(ctx context.Context) error {
			list, err := n.admin.ListBundles(ctx)
			return holds(list, err, func(l api.BundleList) bool { return len(l.Bundles) > 0 && l.Generation == 1 })
		}},
		{"getBundle", func(ctx context.Context) error {
			err := n.admin.GetBundle(ctx, "base", &base)
			return holds(base.Len(), err, func(length int) bool { return length > 1000 })
		}},
		{"putBundle", func(ctx context.Context) error {
			g, created, err := n.admin.PutBundle(ctx, "base", bytes.NewReader(base.Bytes()), client.BundleChange{Message: "the same again"})
			return holds(g, err, func(g authz.Generation) bool { return named(g) && !created })
		}},
		{"putBundle", func(ctx context.Context) error {
			_, _, err := n.admin.PutBundle(ctx, "acme", strings.NewReader("no bundle"), client.BundleChange{Activate: true})
			return code(err, authz.CodeInvalid)
		}},
		{"deleteBundle", func(ctx context.Context) error {
			_, err := n.admin.DeleteBundle(ctx, "none", client.BundleChange{Message: "it is not there"})
			return code(err, authz.CodeNotFound)
		}},
		{"setGuardMode", func(ctx context.Context) error {
			g, err := n.admin.SetGuardMode(ctx, "network", api.ModeRequest{Mode: authz.ModeOff, Message: "a test"})
			return holds(g, err, func(g authz.Generation) bool { return named(g) && g.State == authz.GenerationActive })
		}},
		{"listGuards", func(ctx context.Context) error {
			list, err := n.admin.ListGuards(ctx)
			return holds(list, err, func(l api.GuardList) bool {
				return slices.ContainsFunc(l.Items, func(g api.GuardMode) bool { return g.Name == "network" && g.Mode == authz.ModeOff })
			})
		}},
		{"listGenerations", func(ctx context.Context) error {
			list, err := n.admin.ListGenerations(ctx, 10)
			return holds(list, err, func(l api.GenerationList) bool { return len(l.Items) == 2 && l.Active == 2 })
		}},
		{"getGeneration", func(ctx context.Context) error {
			g, err := n.admin.GetGeneration(ctx, 1)
			return holds(g, err, named)
		}},
		{"diffGenerations", func(ctx context.Context) error {
			d, err := n.admin.DiffGenerations(ctx, 1, 2, 10)
			return holds(d, err, func(d api.Difference) bool { return d.To == 2 && len(d.Files) > 0 && d.Decisions != nil })
		}},
		{"policyStatus", func(ctx context.Context) error {
			s, err := n.admin.PolicyStatus(ctx)
			return holds(s, err, func(s authz.PolicyStatus) bool { return s.Active.Generation == 2 && s.Previous == 1 })
		}},
		{"startShadow", func(ctx context.Context) error {
			r, err := n.admin.StartShadow(ctx, api.ShadowRequest{Generation: 1, Sample: 0.5})
			return holds(r, err, func(r api.ShadowReport) bool { return r.Running && r.Sample == 0.5 })
		}},
		{"shadowReport", func(ctx context.Context) error {
			r, err := n.admin.ShadowReport(ctx)
			return holds(r, err, func(r api.ShadowReport) bool { return r.Running })
		}},
		{"stopShadow", func(ctx context.Context) error {
			r, err := n.admin.StopShadow(ctx)
			return holds(r, err, func(r api.ShadowReport) bool { return !r.Running })
		}},
		{"replay", func(ctx context.Context) error {
			c, err := n.admin.Replay(ctx, api.ReplayRequest{Last: 10, Generation: 1}, client.ReplayInput{})
			return holds(c, err, func(c authz.Comparison) bool { return c.Compared+c.NotJudged > 0 })
		}},
		{"replay", func(ctx context.Context) error {
			c, err := n.admin.Replay(ctx, api.ReplayRequest{Last: 10, Bundle: "base"}, client.ReplayInput{Bundle: bytes.NewReader(base.Bytes())})
			return holds(c, err, func(c authz.Comparison) bool { return c.Compared+c.NotJudged > 0 })
		}},
		{"rollback", func(ctx context.Context) error {
			g, err := n.admin.Rollback(ctx, api.RollbackRequest{Message: "a test"})
			return holds(g, err, func(g authz.Generation) bool { return g.Number == 1 })
		}},
		{"activateGeneration", func(ctx context.Context) error {
			g, err := n.admin.ActivateGeneration(ctx, 2, api.ActivateRequest{Message: "a test"})
			return holds(g, err, func(g authz.Generation) bool { return g.Number == 2 && g.State == authz.GenerationActive })
		}},
	}
}

func (n *node) keyStories() []story {
	var made api.Key
	return []story{
		{"createKey", func(ctx context.Context) (err error) {
			made, err = n.admin.CreateKey(ctx, api.KeyRequest{Name: "one more", Roles: []string{"review"}, ExpiresAt: n.Clock.Now().Add(time.Hour)})
			return holds(made, err, func(k api.Key) bool { return k.Key != "" && k.ID != "" })
		}},
		{"listKeys", func(ctx context.Context) error { return some(n.admin.ListKeys(ctx), 4) }},
		{"listKeys", func(ctx context.Context) error {
			page, err := n.admin.ListKeysPage(ctx, client.Paging{Limit: 1})
			return holds(page, err, func(l api.KeyList) bool { return len(l.Items) == 1 && l.NextCursor != "" })
		}},
		{"revokeKey", func(ctx context.Context) error { return n.admin.RevokeKey(ctx, made.ID) }},
		{"revoke", func(ctx context.Context) error {
			l, err := n.admin.Revoke(ctx, api.RevokeRequest{Naming: api.Naming{By: authz.ByToken, Issuer: demo.IssuerURL, Name: "jti-x", Reason: "a test"}, Until: n.Clock.Now().Add(time.Hour)})
			return holds(l, err, func(l api.Listing[authz.Revocation]) bool { return l.Entry.ID != "" && l.DataRevision > 0 })
		}},
		{"renew", func(ctx context.Context) error {
			l, err := n.admin.Renew(ctx, api.RenewRequest{Naming: api.Naming{By: authz.BySubject, Of: "mu:billing-svc"}, WithinS: 3600})
			return holds(l, err, func(l api.Listing[authz.Renewal]) bool { return !l.Entry.Deadline.IsZero() && l.DataRevision > 0 })
		}},
	}
}

func (n *node) rotationStories() []story {
	at := func(phase string) func(api.Rotation) bool {
		return func(r api.Rotation) bool { return r.Phase == phase }
	}
	steps := func(f func(context.Context, string) (api.Rotation, error), phase string) func(context.Context) error {
		return func(ctx context.Context) error { r, err := f(ctx, "set-a"); return holds(r, err, at(phase)) }
	}
	start := func(ctx context.Context) error {
		s, err := n.admin.StartRotation(ctx, "set-a", api.StartRotation{})
		return holds(s.Rotation, err, func(r api.Rotation) bool { return at(authz.PhasePropagate)(r) && s.Secrets["mu:rotating"] != "" })
	}
	return []story{
		{"putMachineUser", func(ctx context.Context) error {
			w, err := n.admin.MachineUsers().Put(ctx, "mu:rotating", authz.MachineUser{Kind: "service", Origin: "internal", Env: "prod", State: authz.StateActive}, authz.Precondition{})
			return holds(w, err, func(w client.Written[authz.MachineUser]) bool {
				return w.Created && w.Entity.ID == "mu:rotating" && w.Revision > 0
			})
		}},
		{"createSecret", func(ctx context.Context) error {
			s, err := n.admin.CreateSecret(ctx, api.SecretRequest{MachineUser: "mu:rotating"})
			return holds(s, err, func(s api.NewSecret[authz.Credential]) bool { return s.Secret != "" && s.Credential.Generation == 1 })
		}},
		{"putRotationSet", func(ctx context.Context) error {
			w, err := n.admin.RotationSets().Put(ctx, "set-a", authz.RotationSet{Members: []string{"mu:rotating"}, Kind: authz.KindSharedSecret}, authz.IfAbsent())
			return holds(w, err, func(w client.Written[authz.RotationSet]) bool { return w.Created })
		}},
		{"rotationStatus", steps(n.admin.RotationStatus, authz.PhaseNone)},
		{"startRotation", start},
		{"advanceRotation", func(ctx context.Context) error {
			_, err := n.admin.AdvanceRotation(ctx, "set-a", authz.PhasePropagate)
			return code(err, authz.CodeConflict)
		}},
		{"forceRotation", steps(func(ctx context.Context, set string) (api.Rotation, error) {
			return n.admin.ForceRotation(ctx, set, authz.PhasePropagate)
		}, authz.PhaseDrain)},
		{"abortRotation", steps(n.admin.AbortRotation, authz.PhaseAborted)},
		{"listRotations", func(ctx context.Context) error { return some(n.admin.Rotations().List(ctx, nil), 1) }},
		{"getRotation", func(ctx context.Context) error {
			r, err := n.admin.Rotations().Get(ctx, "set-a")
			return holds(r, err, func(r authz.Rotation) bool { return r.Phase == authz.PhaseAborted })
		}},
		{"emergencyRotation", func(ctx context.Context) error {
			_, err := n.admin.EmergencyRotation(ctx, "set-a")
			return code(err, authz.CodeConflict)
		}},
	}
}

func (n *node) tokenStories() []story {
	level := 1 // a secret is enough
	for _, id := range []string{"svc:parcel", "svc:ours"} {
		n.Put(&authz.Service{Header: authz.Header{ID: id}, Tier: 2, Env: "prod", Owner: "test", RequiredLevel: authz.RequiredLevel{Internal: &level}})
	}
	n.Put(&authz.MachineUser{Header: authz.Header{ID: "mu:job"}, Kind: "job", Origin: authz.OriginInternal, Env: "prod", Owner: "test", Tier: 2})
	n.Put(&authz.Edge{From: "mu:job", To: "svc:parcel", Actions: []string{"parcel.send"}, Owner: "test"})
	n.Put(&authz.Edge{From: "mu:job", To: "svc:ours", Actions: []string{"token.issue"}, Owner: "test"})
	_, secret := n.NewSecret("mu:job", "")
	ours := client.TokenClient{ID: "mu:job", Secret: secret}
	var issued authz.IssuedToken
	return []story{
		{"token", func(ctx context.Context) error {
			_, err := n.decisions.Token(ctx, client.TokenRequest{Client: client.TokenClient{ID: "mu:job", Secret: "wrong"}, Audience: "svc:parcel"})
			var failed *client.Error
			if !errors.As(err, &failed) || failed.OAuthCode != authz.OAuthInvalidClient || failed.Status != http.StatusUnauthorized {
				return errors.Join(errors.New("want invalid_client"), err)
			}
			return nil
		}},
		{"token", func(ctx context.Context) (err error) {
			issued, err = n.decisions.Token(ctx, client.TokenRequest{Client: ours, Audience: "svc:parcel"})
			return holds(issued, err, func(t authz.IssuedToken) bool { return t.ExpiresIn > 0 })
		}},
		{"introspect", func(ctx context.Context) error {
			i, err := n.decisions.Introspect(ctx, "no token of ours")
			return holds(i, err, func(i authz.Introspected) bool { return !i.Active })
		}},
		{"revokeOwnToken", func(ctx context.Context) error { return n.decisions.RevokeOwnToken(ctx, ours, issued.AccessToken) }},
		{"jwks", func(ctx context.Context) error {
			keys, err := n.decisions.JWKS(ctx)
			return holds(keys, err, func(k json.RawMessage) bool { return strings.Contains(string(k), `"keys"`) })
		}},
		{"metadata", func(ctx context.Context) error {
			m, err := n.decisions.Metadata(ctx)
			return holds(m, err, func(m api.Metadata) bool { return m.Issuer == "https://verdict.brightfold.example" })
		}},
		{"replaceTokenKeys", n.admin.ReplaceTokenKeys},
	}
}

// collectionStories writes, reads, lists and deletes one entity of a collection.
func collectionStories[E any](of client.Entities[E], one string, key string, entity E) []story {
	return []story{
		{"create" + one, func(ctx context.Context) error {
			w, err := of.Create(ctx, entity)
			return holds(w, err, func(w client.Written[E]) bool { return w.Created && w.Revision > 0 })
		}},
		{"create" + one, func(ctx context.Context) error {
			_, err := of.Create(ctx, entity)
			return code(err, authz.CodeConflict)
		}},
		{"put" + one, func(ctx context.Context) error {
			w, err := of.Put(ctx, key, entity, authz.IfPresent())
			return holds(w, err, func(w client.Written[E]) bool { return !w.Created })
		}},
		{"put" + one, func(ctx context.Context) error {
			_, err := of.Put(ctx, key, entity, authz.IfRevision(1))
			return code(err, authz.CodePrecondition)
		}},
		{"get" + one, func(ctx context.Context) error { _, err := of.Get(ctx, key); return err }},
		{"list" + one + "s", func(ctx context.Context) error { return some(of.List(ctx, nil), 1) }},
		{"list" + one + "s", func(ctx context.Context) error {
			page, err := of.ListPage(ctx, nil, client.Paging{Limit: 1})
			return holds(page, err, func(p authz.Page[E]) bool { return len(p.Items) == 1 && p.Revision > 0 })
		}},
		{"delete" + one, func(ctx context.Context) error {
			revision, err := of.Delete(ctx, key, authz.IfPresent())
			return holds(revision, err, func(r uint64) bool { return r > 0 })
		}},
		{"get" + one, func(ctx context.Context) error { _, err := of.Get(ctx, key); return code(err, authz.CodeNotFound) }},
	}
}

func (n *node) entityStories() []story {
	named := func(id string) authz.Header { return authz.Header{ID: id} }
	a := n.admin
	return slices.Concat(
		collectionStories(a.Plans(), "Plan", "plan:new", authz.Plan{Header: named("plan:new"), Name: "New"}),
		collectionStories(a.Tenants(), "Tenant", "tenant-new", authz.Tenant{Header: named("tenant-new"), Plan: "business", State: authz.StateActive}),
		collectionStories(a.Users(), "User", "u-new", authz.User{Header: named("u-new"), Tenant: "acme-logistics", State: authz.StateActive}),
		collectionStories(a.Services(), "Service", "svc:new", authz.Service{Header: named("svc:new"), Tier: 2, Env: "prod"}),
		collectionStories(a.MachineUsers(), "MachineUser", "mu:new", authz.MachineUser{Header: named("mu:new"), Kind: "service", Origin: "internal", Env: "prod", State: authz.StateActive}),
		collectionStories(a.Edges(), "Edge", "mu:rotating/svc:email", authz.Edge{From: "mu:rotating", To: "svc:email", Actions: []string{"email.send"}}),
		collectionStories(a.Entitlements(), "Entitlement", "plan:business/new.feature", authz.Entitlement{Holder: "plan:business", Feature: "new.feature", Effect: "grant"}),
		collectionStories(a.Issuers(), "Issuer", "new", authz.Issuer{Header: named("new"), URL: "https://new.example", Kind: authz.IssuerJWT, Algorithms: []string{"ES256"}, Keys: n.publicKeys()}),
		collectionStories(a.Credentials(), "Credential", "cred-new", authz.Credential{Header: named("cred-new"), MachineUser: "mu:rotating", Kind: authz.KindPublicKey, Generation: 1, State: authz.CredentialActive, Keys: n.publicKeys()}),
		collectionStories(a.RotationSets(), "RotationSet", "set-b", authz.RotationSet{Header: named("set-b"), Members: []string{"mu:user-svc"}, Kind: authz.KindSharedSecret}),
		collectionStories(a.Revocations(), "Revocation", "subject/mu:rotating", authz.Revocation{Listed: authz.Listed{By: authz.BySubject, Of: "mu:rotating"}}),
		collectionStories(a.Renewals(), "Renewal", "subject/mu:rotating", authz.Renewal{Listed: authz.Listed{By: authz.BySubject, Of: "mu:rotating"}, IssuedBefore: n.Clock.Now(), Deadline: n.Clock.Now().Add(time.Hour)}),
		[]story{{"getPlan", func(ctx context.Context) error {
			raw, err := a.Collection(authz.Plans).Get(ctx, "business")
			return holds(raw, err, func(r json.RawMessage) bool { return strings.Contains(string(r), `"id":"business"`) })
		}}},
	)
}

func (n *node) publicKeys() json.RawMessage {
	keys, err := n.Signer().PublicSet()
	if err != nil {
		n.t.Fatal(err)
	}
	return keys
}

// TestMethodsAreOperations: each method of Client and Entities is one of the operations,
// under its name, and each operation has one.
func TestMethodsAreOperations(t *testing.T) {
	var methods []string
	add := func(of reflect.Type, name func(string) string) {
		for i := range of.NumMethod() {
			methods = append(methods, strings.ToLower(name(of.Method(i).Name)))
		}
	}
	noRow := []string{"Strict", "Through", "Collection"} // of tests, and of any collection
	whole := reflect.TypeFor[*client.Client]()
	for i := range whole.NumMethod() {
		name := whole.Method(i).Name
		result := whole.Method(i).Type.Out
		switch {
		case slices.Contains(noRow, name):
		case whole.Method(i).Type.NumIn() == 1 && whole.Method(i).Type.NumOut() == 1:
			one := strings.TrimSuffix(name, "s")
			add(result(0), func(method string) string {
				if verb, ok := strings.CutPrefix(method, "List"); ok {
					return "List" + name + verb
				}
				return method + one
			})
		default:
			methods = append(methods, strings.ToLower(name))
		}
	}
	rows := map[string]bool{}
	for _, row := range daemon.Rows() {
		rows[strings.ToLower(row.ID)] = true
	}
	found := map[string]bool{}
	for _, method := range methods {
		row := method
		for _, variant := range []string{"page", "after", "json"} {
			row = strings.TrimSuffix(row, variant)
		}
		if !rows[row] {
			t.Errorf("the method %s is no operation", method)
		}
		found[row] = true
	}
	if diff := cmp.Diff(rows, found); diff != "" {
		t.Errorf("operations and methods differ (-operations +methods):\n%s", diff)
	}
}
