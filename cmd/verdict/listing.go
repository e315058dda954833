package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"time"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/cmd/verdict/remote"
	"github.com/verdict-pdp/verdict/ijson"
)

// enlist puts an entry on the revocation or the renewal list, by what is named, and
// tells what was done.
func (c *cli) enlist(ctx context.Context, client *remote.Client, path, by string, request any, tell func(io.Writer, []byte) error) error {
	body, err := ijson.Marshal(request)
	if err != nil {
		return err
	}
	answer, err := client.Do(ctx, remote.Call{Method: http.MethodPost, Path: path, Body: bytes.NewReader(body)})
	if err != nil {
		return notListed(err, by)
	}
	return c.print(answer.Body, func(w io.Writer) error { return tell(w, answer.Body) })
}

// notListed says where the ids of what was not found are.
func notListed(err error, by string) error {
	f := failureOf(err)
	if f.code == authz.CodeNotFound {
		switch by {
		case authz.ByCredential:
			f.fix = "`verdict credential list` shows the ids."
		case authz.BySubject:
			f.fix = "`verdict entity list machine_users` shows the ids."
		case authz.ByTenant:
			f.fix = "`verdict entity list tenants` shows the ids."
		case authz.ByIssuer:
			f.fix = "`verdict issuer list` shows the ids."
		}
	}
	return f
}

func issuedBeforeText(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return ": tokens issued before " + at.UTC().Format(time.RFC3339)
}

func untilText(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return ", until " + at.UTC().Format(time.RFC3339)
}
