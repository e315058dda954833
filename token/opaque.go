package token

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"

	"github.com/verdict-pdp/verdict/authz"
)

// maxOpaqueBytes is the longest opaque token looked at.
const maxOpaqueBytes = 4 << 10

// Introspector asks issuers about opaque tokens (RFC 7662). It is where the
// deadlines, breakers and memories of that are; source is where the token came
// from, as Presentation.Source has it.
type Introspector interface {
	// Introspect returns authz.ErrInactive when the issuer says that the token is not
	// active, and authz.ErrUnavailable when that cannot be said; both may be wrapped.
	Introspect(ctx context.Context, issuer *authz.Issuer, token, source string) (authz.IntrospectionAnswer, error)
	// Report adds to the status of an issuer how its being asked goes. It waits for
	// nothing.
	Report(issuer *authz.Issuer, status *authz.IssuerStatus)
}

// introspect asks the issuer of an opaque token about it.
func (v *Verifier) introspect(ctx context.Context, p *authz.Presentation) (word, *authz.Fault) {
	text := p.Evidence.Token
	switch {
	case len(text) > MaxTokenBytes:
		return word{}, tooLarge()
	case len(text) > maxOpaqueBytes:
		return word{}, invalid("too_large", "The token is no JWT and larger than 4 kB.", fixSendAsIssued)
	case !b64token(text):
		return word{}, invalid("not_compact", "The token has a byte that no token has, opaque or not.", fixSendAsIssued)
	}
	issuer, fault := v.opaqueIssuer(ctx, p)
	if fault != nil {
		return word{}, fault
	}
	answer, fault := v.ask(ctx, issuer, p)
	if fault != nil {
		return word{}, fault
	}
	said, fault := readIntrospection(answer.Claims, issuer, text)
	if fault != nil {
		return word{}, fault
	}
	stands := standing{freshness: answer.Freshness, age: answer.Age, fetched: true}
	return word{said: said, issuer: issuer, standing: unfetched.and(stands), knownSource: answer.KnownSource}, nil
}

// ask has the Introspector ask an issuer about the token presented.
func (v *Verifier) ask(ctx context.Context, issuer *authz.Issuer, p *authz.Presentation) (authz.IntrospectionAnswer, *authz.Fault) {
	if v.introspector == nil {
		return authz.IntrospectionAnswer{}, unavailable("introspection_unavailable", "This node cannot ask issuers about opaque tokens.")
	}
	answer, err := v.introspector.Introspect(ctx, issuer, p.Evidence.Token, p.Source)
	switch {
	case errors.Is(err, authz.ErrInactive):
		return authz.IntrospectionAnswer{}, inactive()
	case err != nil:
		v.reportOutage(ctx, issuer, p.Evidence.Token, err)
		return authz.IntrospectionAnswer{}, unavailable("introspection_unavailable", "The token's issuer cannot be asked about it, and what it said before is too old.")
	}
	v.outages.end(issuer.ID, answer.At)
	return answer, nil
}

func inactive() *authz.Fault {
	return invalid("inactive", "The token's issuer says that it is not active: expired, revoked or never issued.", fixNewToken)
}

// readIntrospection reads an answer about the token text. It looks at active once
// more, because everything hangs on it.
func readIntrospection(answer []byte, issuer *authz.Issuer, text string) (*said, *authz.Fault) {
	payload, err := readObject(answer)
	if err != nil {
		return nil, jsonFault("issuer's answer about the token", err)
	}
	if string(payload.get("active")) != "true" {
		return nil, inactive()
	}
	if payload.get("iss") != nil {
		url, fault := issuerURL(payload)
		if fault != nil {
			return nil, fault
		}
		if url != issuer.URL {
			return nil, invalid("issuer_mismatch", "The token's issuer says that another one issued it.", "Register the issuer with the url its answers have as iss.")
		}
	}
	sum := sha256.Sum256([]byte(text))
	return readAnswer(payload, issuer, hex.EncodeToString(sum[:]))
}

// opaqueIssuer says which issuer a token is shown to: the one the caller names,
// or the one with the longest prefix the token starts with, or the only one.
func (v *Verifier) opaqueIssuer(ctx context.Context, p *authz.Presentation) (*authz.Issuer, *authz.Fault) {
	if p.Evidence.Issuer != "" {
		return v.hintedIssuer(ctx, p)
	}
	issuers, err := p.Directory.IssuersOf(authz.IssuerIntrospection)
	if err != nil {
		return nil, v.lookupFault(ctx, causeIssuerLookup, err)
	}
	var found *authz.Issuer
	var longest, equals int
	for _, issuer := range issuers {
		prefix := tokenPrefix(issuer)
		if prefix == "" || !strings.HasPrefix(p.Evidence.Token, prefix) || len(prefix) < longest {
			continue
		}
		if len(prefix) > longest {
			found, longest, equals = issuer, len(prefix), 0
		}
		equals++
	}
	switch {
	case equals > 1:
		return nil, refusedIssuer("issuer_ambiguous", "The token starts like those of more than one registered issuer.", "Send the issuer's id in credential.issuer, or give the issuers different token prefixes.")
	case found != nil:
		return found, nil
	case len(issuers) == 1 && tokenPrefix(issuers[0]) == "":
		return issuers[0], nil
	}
	return nil, refusedIssuer("issuer_unknown", "The token is no JWT, and nothing says which registered issuer's it is.", "Send the issuer's id in credential.issuer, or register the issuer's token prefix.")
}

func (v *Verifier) hintedIssuer(ctx context.Context, p *authz.Presentation) (*authz.Issuer, *authz.Fault) {
	issuer, ok, err := p.Directory.IssuerByID(p.Evidence.Issuer)
	switch {
	case err != nil:
		return nil, v.lookupFault(ctx, causeIssuerLookup, err)
	case !ok || issuer.ID != p.Evidence.Issuer:
		return nil, refusedIssuer("issuer_unknown", "credential.issuer is not the id of a registered issuer.", "Send the id of the issuer the token is of.")
	case issuer.Kind != authz.IssuerIntrospection:
		return nil, refusedIssuer("issuer_kind", "credential.issuer is not an issuer that is asked about tokens.", "Leave credential.issuer out for a JWT, or register the issuer with kind introspection.")
	}
	return issuer, nil
}

func tokenPrefix(issuer *authz.Issuer) string {
	if issuer.Introspection == nil {
		return ""
	}
	return issuer.Introspection.TokenPrefix
}

// b64token is the alphabet of bearer tokens, RFC 6750 section 2.1.
func b64token(text string) bool {
	body := strings.TrimRight(text, "=")
	for i := range len(body) {
		if b := body[i]; !base64url(b) && strings.IndexByte(".~+/", b) < 0 {
			return false
		}
	}
	return body != ""
}
