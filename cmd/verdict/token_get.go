package main

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/cmd/verdict/remote"
	"github.com/verdict-pdp/verdict/ijson"
)

func newTokenGet(c *cli) *cobra.Command {
	var t tokenOrder
	cmd := &cobra.Command{
		Use:   "get",
		Short: "Get a token as a machine user and print it",
		Long: `Get a short-lived access token of the token service, which the server has when
token_service.issuer is set, as the machine user whose secret, assertion or client
certificate (--cert, --key) is given, and print it. No API key is needed. Exits with 6 when the credential is not accepted.`,
		Example: `  verdict token get --client-id mu:billing-svc --client-secret-file billing.secret \
    --audience svc:email |
    verdict decide --token - --action email.send --resource svc:email`,
		Args: takes(0, 0),
	}
	f := cmd.Flags()
	f.StringVar(&t.clientID, "client-id", "", "machine user")
	f.StringVar(&t.secret, "client-secret", "", "- reads its secret from standard input")
	f.StringVar(&t.secretFile, "client-secret-file", "", "file with its secret")
	f.StringVar(&t.assertionFile, "client-assertion-file", "", "file with a JWT the machine user signed (RFC 7523)")
	f.StringVar(&t.audience, "audience", "", "service the token is for, such as svc:email")
	f.StringVar(&t.subject, "subject", "", "whom to act for: user:ID or tenant:ID; without it for the machine user itself")
	cmd.MarkFlagsMutuallyExclusive("client-secret", "client-secret-file", "client-assertion-file")
	to := toTokenService(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		t.connection = c.fileOf(to.trust.cert, "cert", envCert).path != ""
		call, err := t.call(c)
		if err != nil {
			return err
		}
		client, err := c.dial(cmd, to)
		if err != nil {
			return err
		}
		return c.getToken(cmd.Context(), client, call)
	}
	return cmd
}

// tokenOrder is a token to ask for, and as whom, as flags.
type tokenOrder struct {
	clientID, secret, secretFile, assertionFile string
	audience, subject                           string
	connection                                  bool // a client certificate is presented
}

// assertionType is the client_assertion_type of RFC 7523 section 2.2.
const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// call is the request of RFC 6749 section 4.4, with the client authenticated in one way.
func (t *tokenOrder) call(c *cli) (remote.Call, error) {
	form, header := url.Values{"grant_type": {"client_credentials"}}, http.Header{}
	if t.audience == "" {
		return remote.Call{}, usage("a token is for one service, and none is named", "Name it with --audience, such as svc:email.")
	}
	form.Set("audience", t.audience)
	if t.subject != "" {
		form.Set("subject", t.subject)
	}
	source, err := secretSource("client-secret", t.secret, t.secretFile)
	if err != nil {
		return remote.Call{}, err
	}
	switch {
	case source != "" && t.clientID == "":
		return remote.Call{}, usage("a secret needs its --client-id", "Name the machine user whose secret it is.")
	case source != "":
		secret, err := c.readSecret("secret", source)
		if err != nil {
			return remote.Call{}, err
		}
		header.Set("Authorization", basic(t.clientID, secret))
	case t.assertionFile != "":
		assertion, err := c.readSecret("assertion", t.assertionFile)
		if err != nil {
			return remote.Call{}, err
		}
		form.Set("client_assertion_type", assertionType)
		form.Set("client_assertion", assertion)
		if t.clientID != "" {
			form.Set("client_id", t.clientID)
		}
	case t.connection && t.clientID != "":
		form.Set("client_id", t.clientID) // tls_client_auth, RFC 8705
	default:
		return remote.Call{}, usage("no credential is given to get a token with", "Give --client-id with --client-secret -, --client-secret-file or --cert and --key; or --client-assertion-file.")
	}
	return remote.Call{Method: http.MethodPost, Path: api.PathToken, Header: header, Body: strings.NewReader(form.Encode()), ContentType: api.TypeForm}, nil
}

// basic is client_secret_basic: both form-encoded first (RFC 6749 section 2.3.1),
// because an id may have a colon.
func basic(id, secret string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(id)+":"+url.QueryEscape(secret)))
}

func (c *cli) getToken(ctx context.Context, client *remote.Client, call remote.Call) error {
	answer, err := client.Do(ctx, call)
	if err != nil {
		return noToken(err)
	}
	var got struct {
		AccessToken string `json:"access_token"`
		ExpiresIn   int    `json:"expires_in"`
	}
	if err := ijson.UnmarshalOpen(answer.Body, &got); err != nil {
		return unreadable(err)
	}
	if got.AccessToken == "" {
		return unreadable(errors.New("it has no access_token"))
	}
	return c.print(answer.Body, func(w io.Writer) error {
		if err := say(w, "%s", got.AccessToken); err != nil {
			return err
		}
		return c.note("good for %s", span(time.Duration(got.ExpiresIn)*time.Second))
	})
}

// noToken says what to do about a token that is refused. A listener that has a token
// service asks for no API key to get one, so one that does has none.
func noToken(err error) error {
	f := failureOf(err)
	switch {
	case f.code == authz.CodeUnauthenticated:
		f.status, f.code = exitError, codeUnknownPath
	case f.status == exitForbidden:
		f.fix = "Check the id and its secret: `verdict credential list --machine-user ID` shows which generations are accepted."
	}
	return withoutTokenService(f)
}
