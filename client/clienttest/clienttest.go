// Package clienttest has a Verdict for tests of those who ask one: it answers questions
// as the test says, over HTTP, to a client that is a real one.
package clienttest

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/client"
	"github.com/verdict-pdp/verdict/ijson"
)

// Decide answers one question. An *authz.Error is answered as the server would answer
// it; the client then returns a *client.Error with its code.
type Decide func(context.Context, api.DecideRequest) (api.Decision, error)

// Allow is an answer that allows.
func Allow() api.Decision { return decision(api.Allow) }

// Deny is an answer that denies for reasons with these codes.
func Deny(codes ...authz.ReasonCode) api.Decision {
	d := decision(api.Deny)
	for _, code := range codes {
		d.Reasons = append(d.Reasons, api.Reason{Code: code, Guard: "test", Message: "A test said so.", Status: http.StatusForbidden})
	}
	return d
}

func decision(o api.Outcome) api.Decision {
	return api.Decision{
		ID: "test", Outcome: o, Reasons: []api.Reason{},
		DataRevision: 1, Policy: api.PolicyRef{Generation: 1, Digest: "sha256:test"},
	}
}

// New starts a server that answers Decide, Simulate and each item of DecideBatch with
// decide, until the test ends, and returns a client of it. It asks for no key, reads no
// credential and serves nothing else. A batch is answered whole or with the first error;
// its semantics are those of the real one.
func New(t testing.TB, decide Decide) *client.Client {
	t.Helper()
	mux := http.NewServeMux()
	for _, path := range []string{api.PathDecide, api.PathSimulate} {
		mux.HandleFunc("POST "+path, func(w http.ResponseWriter, r *http.Request) {
			serve(w, r, func(q *api.DecideRequest) (any, error) { return decide(r.Context(), *q) })
		})
	}
	mux.HandleFunc("POST "+api.PathBatch, func(w http.ResponseWriter, r *http.Request) {
		serve(w, r, func(b *api.BatchRequest) (any, error) { return batch(r.Context(), decide, b) })
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		refuse(w, r, authz.Errorf(authz.CodeNotFound, "this server of a test does not serve %s", r.URL.Path))
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	c, err := client.New(client.Config{Server: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func batch(ctx context.Context, decide Decide, b *api.BatchRequest) (api.BatchResponse, error) {
	answer := api.BatchResponse{Decisions: []api.Decision{}}
	for i, item := range b.Items {
		d, err := decide(ctx, questionOf(b, item))
		if err != nil {
			return answer, authz.InItem(i, err)
		}
		answer.Decisions = append(answer.Decisions, d)
		if b.Semantics == api.DenyOnFirstDeny && d.Outcome == api.Deny || b.Semantics == api.PermitOnFirstPermit && d.Outcome == api.Allow {
			break
		}
	}
	return answer, nil
}

// questionOf is an item with the defaults of its batch.
func questionOf(b *api.BatchRequest, item api.BatchItem) api.DecideRequest {
	q := api.DecideRequest{
		Credential: b.Credential, Subject: b.Subject, Action: b.Action, Resource: b.Resource,
		Context: b.Context, Explain: b.Explain, AtLeast: b.AtLeast,
	}
	if item.Credential != nil {
		q.Credential = item.Credential
	}
	if item.Subject != nil {
		q.Subject = item.Subject
	}
	if item.Action != nil {
		q.Action = item.Action
	}
	if item.Resource != nil {
		q.Resource = item.Resource
	}
	if item.Context != nil {
		q.Context = item.Context
	}
	if item.Explain != "" {
		q.Explain = item.Explain
	}
	return q
}

// serve reads a body and answers what of makes of it.
func serve[B any](w http.ResponseWriter, r *http.Request, of func(*B) (any, error)) {
	var raw json.RawMessage
	var body B
	err := json.NewDecoder(r.Body).Decode(&raw)
	if err == nil {
		err = ijson.Unmarshal(raw, &body)
	}
	if err != nil {
		refuse(w, r, authz.Invalid("body", "cannot be read: "+err.Error()))
		return
	}
	answer, err := of(&body)
	if err != nil {
		refuse(w, r, err)
		return
	}
	write(w, http.StatusOK, api.TypeJSON, answer)
}

func refuse(w http.ResponseWriter, r *http.Request, err error) {
	ours := &authz.Error{Code: authz.CodeInternal, Message: "something went wrong"}
	errors.As(err, &ours)
	status := statusOf(ours.Code)
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	write(w, status, api.TypeProblem, api.Problem{
		Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: ours.Error(), Instance: r.URL.EscapedPath(),
		Code: string(ours.Code), Field: ours.Field, RequestID: "test", Errors: ours.Problems,
	})
}

func statusOf(code authz.ErrorCode) int {
	switch code {
	case authz.CodeInvalid:
		return http.StatusBadRequest
	case authz.CodeTooLarge:
		return http.StatusRequestEntityTooLarge
	case authz.CodeUnauthenticated:
		return http.StatusUnauthorized
	case authz.CodeForbidden:
		return http.StatusForbidden
	case authz.CodeNotFound:
		return http.StatusNotFound
	case authz.CodeConflict:
		return http.StatusConflict
	case authz.CodeUnavailable, authz.CodeBehind:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

func write(w http.ResponseWriter, status int, mediaType string, v any) {
	data, err := ijson.Marshal(v)
	if err != nil {
		status, data = http.StatusInternalServerError, []byte(strconv.Quote(err.Error()))
	}
	w.Header().Set("Content-Type", mediaType)
	w.WriteHeader(status)
	if _, err := w.Write(data); err != nil {
		panic(http.ErrAbortHandler) // the client went away
	}
}
