package main

import (
	"context"
	"encoding/json"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/client"
	"github.com/verdict-pdp/verdict/ijson"
)

func newToken(c *cli) *cobra.Command {
	return group("token", "Work with Verdict's own token service", newTokenGet(c), newTokenIntrospect(c), newTokenReplaceKeys(c))
}

// withoutTokenService names what is missing when a path of the token service is not
// served; any other failure stays as it is.
func withoutTokenService(err error) error {
	f := failureOf(err)
	if f.code == codeUnknownPath || f.code == authz.CodeNotFound {
		return noTokenService(f)
	}
	return f
}

// noTokenService is what answered means: that the node has none.
func noTokenService(answered *failure) *failure {
	f := *answered
	f.field, f.raw = "", nil
	f.message = "this node has no token service: token_service.issuer is not set"
	f.fix = "Set token_service.issuer where the node is started. If it is set, check which of the two listeners --server names: token get and token introspect call the decisions listener, token replace-keys the admin listener."
	return &f
}

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
		request, err := t.request(c)
		if err != nil {
			return err
		}
		return callAndPrint(c, cmd, to, func(ctx context.Context, pdp *client.Client) (authz.IssuedToken, error) {
			return pdp.Token(ctx, request)
		}, noToken, func(w io.Writer, got authz.IssuedToken) error {
			if err := say(w, "%s", got.AccessToken); err != nil {
				return err
			}
			return c.note("good for %s", span(time.Duration(got.ExpiresIn)*time.Second))
		})
	}
	return cmd
}

// tokenOrder is a token to ask for, and as whom, as flags.
type tokenOrder struct {
	clientID, secret, secretFile, assertionFile string
	audience, subject                           string
	connection                                  bool // a client certificate is presented
}

// request is what to ask for, with the client authenticated in one way.
func (t *tokenOrder) request(c *cli) (r client.TokenRequest, err error) {
	r = client.TokenRequest{Client: client.TokenClient{ID: t.clientID}, Audience: t.audience, Subject: t.subject}
	if t.audience == "" {
		return r, usage("a token is for one service, and none is named", "Name it with --audience, such as svc:email.")
	}
	source, err := secretSource("client-secret", t.secret, t.secretFile)
	switch {
	case err != nil:
	case source != "" && t.clientID == "":
		err = usage("a secret needs its --client-id", "Name the machine user whose secret it is.")
	case source != "":
		r.Client.Secret, err = c.readSecret("secret", source)
	case t.assertionFile != "":
		r.Client.Assertion, err = c.readSecret("assertion", t.assertionFile)
	case t.connection && t.clientID != "": // tls_client_auth, RFC 8705
	default:
		err = usage("no credential is given to get a token with", "Give --client-id with --client-secret -, --client-secret-file or --cert and --key; or --client-assertion-file.")
	}
	return r, err
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

func newTokenIntrospect(c *cli) *cobra.Command {
	var token, tokenFile string
	cmd := &cobra.Command{
		Use:   "introspect",
		Short: "Say whether a token of the token service is active",
		Long: `Ask the token service whether a token that it issued is active now, and print what
it says of it (RFC 7662). Any other token is not active. Exits with 0 when the token
is active and with 3 when it is not. The API key needs the role decide.`,
		Example: `  verdict token introspect --token-file billing.token`,
		Args:    takes(0, 0),
	}
	cmd.Flags().StringVar(&token, "token", "", "- reads the token from standard input")
	cmd.Flags().StringVar(&tokenFile, "token-file", "", "file with the token")
	cmd.MarkFlagsMutuallyExclusive("token", "token-file")
	to := toDecisions(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		source, err := secretSource("token", token, tokenFile)
		if err != nil {
			return err
		}
		if source == "" {
			return usage("no token is given to ask about", "Give it with --token - or --token-file.")
		}
		text, err := c.readSecret("token", source)
		if err != nil {
			return err
		}
		pdp, err := c.dial(cmd, to)
		if err != nil {
			return err
		}
		known, raw, err := withAnswer(cmd.Context(), func(ctx context.Context) (authz.Introspected, error) { return pdp.Introspect(ctx, text) })
		if err != nil {
			return withoutTokenService(err)
		}
		if err := c.print(raw, func(w io.Writer) error { return c.introspectionTable(w, raw) }); err != nil {
			return err
		}
		if !known.Active {
			return silent(exitDeny)
		}
		return nil
	}
	return cmd
}

// introspectionTable prints a member a line, active first.
func (c *cli) introspectionTable(w io.Writer, answer []byte) error {
	var members map[string]json.RawMessage
	if err := ijson.UnmarshalOpen(answer, &members); err != nil {
		return unreadable(err)
	}
	p := &properties{report: report{w: w}}
	p.property("active", brief(members["active"]), noColour)
	delete(members, "active")
	for _, name := range slices.Sorted(maps.Keys(members)) {
		p.property(name, c.claim(name, members[name]), noColour)
	}
	return p.err
}

// claim is the value of a member: the times of RFC 7662 as times.
func (c *cli) claim(name string, value json.RawMessage) string {
	var seconds int64
	if slices.Contains([]string{"exp", "iat", "nbf"}, name) && ijson.UnmarshalOpen(value, &seconds) == nil {
		return c.both(time.Unix(seconds, 0))
	}
	return brief(value)
}

func newTokenReplaceKeys(c *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "replace-keys",
		Short: "Drop every key the token service has signed with",
		Long: `Drop every key the token service has signed with, and begin with a new one: for a
signing key that may have leaked. Every token it issued is denied from the next
decision on, and machine users get new ones. Keys are replaced on schedule by
themselves, without anybody noticing; this is not for that.`,
		Args: cobra.NoArgs,
	}
	var yes bool
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	to := toAdmin(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		pdp, err := c.dial(cmd, to)
		if err != nil {
			return err
		}
		if err := c.confirm(cmd.Context(), yes, "Every token of the token service stops being good.\nReplace its keys?"); err != nil {
			return err
		}
		if err := pdp.ReplaceTokenKeys(cmd.Context()); err != nil {
			return withoutTokenService(err)
		}
		return c.printMade(map[string]bool{"replaced": true}, "signing keys replaced; machine users get new tokens with verdict token get, or as they did before")
	}
	return cmd
}
