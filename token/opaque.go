package token

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/verdict-pdp/verdict/authz"
)

// maxOpaqueBytes is the length of the longest opaque token that is accepted.
const maxOpaqueBytes = 4 << 10

// Introspector asks issuers about opaque tokens (RFC 7662). It has the deadlines,
// circuit breakers and caches for that.
type Introspector interface {
	// Introspect returns the issuer's answer about a token that was presented from
	// source, see Presentation.Source. The error is authz.ErrInactive if the issuer says
	// that the token is not active, and authz.ErrUnavailable if it cannot be asked; both
	// may be wrapped.
	Introspect(ctx context.Context, issuer *authz.Issuer, token, source string) (authz.IntrospectionAnswer, error)
	// Report adds the health of introspection to the status of an issuer. It does not
	// block.
	Report(issuer *authz.Issuer, status *authz.IssuerStatus)
}

// introspect asks the issuer of an opaque token about it.
func (v *Verifier) introspect(ctx context.Context, p *authz.Presentation) (authenticToken, *authz.Fault) {
	text := p.Evidence.Token
	switch {
	case len(text) > MaxTokenBytes:
		return authenticToken{}, tooLarge()
	case len(text) > maxOpaqueBytes:
		return authenticToken{}, invalid("too_large", "The token is no JWT and larger than 4 kB.", fixSendAsIssued)
	case !b64token(text):
		return authenticToken{}, invalid("not_compact", "The token has a byte that no token has, opaque or not.", fixSendAsIssued)
	}
	issuer, fault := v.opaqueIssuer(ctx, p)
	if fault != nil {
		return authenticToken{}, fault
	}
	answer, fault := v.callIntrospector(ctx, issuer, p)
	if fault != nil {
		return authenticToken{}, fault
	}
	claims, fault := readIntrospection(answer.Claims, issuer, text)
	if fault != nil {
		return authenticToken{}, fault
	}
	fresh := freshness{grade: answer.Freshness, age: answer.Age, fetched: true}
	return authenticToken{tokenClaims: claims, issuer: issuer, freshness: alwaysFresh.combine(fresh), knownSource: answer.KnownSource}, nil
}

// callIntrospector asks an issuer about the token that was presented.
func (v *Verifier) callIntrospector(ctx context.Context, issuer *authz.Issuer, p *authz.Presentation) (authz.IntrospectionAnswer, *authz.Fault) {
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

// readIntrospection reads an issuer's answer about the token text. It checks active
// once more, because everything depends on it.
func readIntrospection(answer []byte, issuer *authz.Issuer, text string) (*tokenClaims, *authz.Fault) {
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
	return readIntrospectionClaims(payload, issuer, hex.EncodeToString(sum[:]))
}

// opaqueIssuer returns the issuer that a token is sent to: the one that the caller
// names, or the one with the longest prefix of the token, or the only one there is.
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

// b64token reports whether text is a bearer token by RFC 6750 section 2.1.
func b64token(text string) bool {
	body := strings.TrimRight(text, "=")
	for i := range len(body) {
		if b := body[i]; !base64url(b) && strings.IndexByte(".~+/", b) < 0 {
			return false
		}
	}
	return body != ""
}

// Limits of outages.
const (
	maxOutages = 1024 // issuers; beyond that, all are forgotten and logged again
	maxCauses  = 8    // that are logged in one outage
)

// outages knows the issuers that cannot be asked about opaque tokens at present, so
// that each cause is logged once in an outage, not for every token. The zero outages is
// ready to use, and safe for concurrent use.
type outages struct {
	mu       sync.Mutex
	byIssuer map[string]*outage // :: issuer id -> its outage; guarded by mu
}

// outage is that of one issuer.
type outage struct {
	causes []string // logged
	failed time.Time
}

// shouldLog notes a failure and reports whether to log it.
func (o *outages) shouldLog(issuer, cause string, at time.Time) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.byIssuer == nil || len(o.byIssuer) >= maxOutages && o.byIssuer[issuer] == nil {
		o.byIssuer = map[string]*outage{}
	}
	if o.byIssuer[issuer] == nil {
		o.byIssuer[issuer] = &outage{}
	}
	last := o.byIssuer[issuer]
	last.failed = at
	if len(last.causes) == maxCauses || slices.Contains(last.causes, cause) {
		return false
	}
	last.causes = append(last.causes, cause)
	return true
}

// end ends the outage of an issuer that answered at the given time. A cached answer
// from before the last failure does not end it.
func (o *outages) end(issuer string, answered time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if last := o.byIssuer[issuer]; last != nil && answered.After(last.failed) {
		delete(o.byIssuer, issuer)
	}
}

// reportOutage logs why an issuer cannot be asked about a token, unless the caller gave
// up, or that cause was logged already.
func (v *Verifier) reportOutage(ctx context.Context, issuer *authz.Issuer, token string, err error) {
	if ctx.Err() != nil {
		return
	}
	cause := strings.ReplaceAll(err.Error(), token, "[token]")
	if v.outages.shouldLog(issuer.ID, cause, v.now()) {
		v.log.WarnContext(ctx, "issuer cannot be asked about opaque tokens", "issuer", issuer.ID, "error", cause)
	}
}
