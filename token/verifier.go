package token

import (
	"crypto/sha256"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/verdict-pdp/verdict/authz"
)

// maxParsedSets limits the parsed key sets that are cached; an evicted one is parsed
// again.
const maxParsedSets = 1024

// Config has the dependencies and limits of a Verifier. The zero Config is usable, but
// fetched keys do not survive a restart then.
type Config struct {
	// Identifiers are the accepted values of aud in client assertions: the URLs of our
	// token endpoint and issuer. Without any, no assertion is accepted.
	Identifiers []string
	// Introspector asks issuers about opaque tokens. If it is nil, none is accepted.
	Introspector Introspector
	// Secrets compares client secrets. If it is nil, none is accepted.
	Secrets Secrets
	// Dir is the directory of the last good copies of what issuers publish. It is made,
	// with mode 0700, if it is missing. If Dir is empty, there are no copies.
	Dir string
	// CacheSize is how many verified tokens are cached, and how many verified client
	// certificates, so that the next use needs no signature check. 0 means
	// 10,000; if it is negative, nothing is cached.
	CacheSize int
	// Transport fetches what issuers publish. Nil means one like http.DefaultTransport.
	Transport http.RoundTripper
	// Log receives failures of fetching, introspection and the directory; nil discards
	// them.
	Log *slog.Logger
	// Now, After and Random (0 <= x < 1) are the clock and the jitter of the
	// refresh; nil means time.Now, time.After and math/rand.
	Now    func() time.Time
	After  func(time.Duration) <-chan time.Time
	Random func() float64
}

// Verifier verifies evidence. It is safe for concurrent use.
type Verifier struct {
	*proofVerifier // of DPoP proofs and client assertions

	identifiers  []string
	introspector Introspector // nil: no opaque token is accepted
	secrets      Secrets      // nil: no client secret is accepted

	log    *slog.Logger
	now    func() time.Time
	after  func(time.Duration) <-chan time.Time
	random func() float64
	fetch  fetcher
	copies copies

	verifiedTokens *lru.Cache[[sha256.Size]byte, *verifiedToken] // nil: nothing is cached
	verifiedPeers  *lru.Cache[[sha256.Size]byte, *cachedPeer]
	sets           *lru.Cache[keySetID, *keySet]
	refetches      *lru.Cache[refetchKey, time.Time] // :: unknown kid -> when a refetch was requested for it

	directoryDown atomic.Bool // it cannot be read, which was logged
	outages       outages     // of introspection, which were logged

	wake chan struct{} // makes Run look at the sources again

	mu      sync.RWMutex
	sources map[sourceID]*source // guarded by mu
}

// New returns a Verifier that has loaded the last good documents from config.Dir. It
// fails if Dir cannot be made or read. Run keeps what issuers publish fresh; without
// it, there is only what New loaded.
func New(config Config) (*Verifier, error) {
	v := &Verifier{
		identifiers:  slices.Clone(config.Identifiers),
		introspector: config.Introspector,
		secrets:      config.Secrets,

		log:     config.Log,
		now:     config.Now,
		after:   config.After,
		random:  config.Random,
		fetch:   newFetcher(config.Transport),
		copies:  copies{dir: config.Dir},
		wake:    make(chan struct{}, 1),
		sources: map[sourceID]*source{},
	}
	v.fillDefaults()
	var err error
	if v.proofVerifier, err = newProofVerifier(v.now()); err != nil {
		return nil, err
	}
	if err := v.makeCaches(config.CacheSize); err != nil {
		return nil, err
	}
	if err := v.loadCopies(); err != nil {
		return nil, err
	}
	return v, nil
}

func (v *Verifier) fillDefaults() {
	if v.log == nil {
		v.log = slog.New(slog.DiscardHandler)
	}
	if v.now == nil {
		v.now = time.Now
	}
	if v.after == nil {
		v.after = time.After
	}
	if v.random == nil {
		v.random = rand.Float64
	}
}

func (v *Verifier) makeCaches(size int) (err error) {
	if v.sets, err = lru.New[keySetID, *keySet](maxParsedSets); err != nil {
		return err
	}
	if v.refetches, err = lru.New[refetchKey, time.Time](maxRefetchKeys); err != nil {
		return err
	}
	if size < 0 {
		return nil
	}
	if size == 0 {
		size = 10_000
	}
	if v.verifiedTokens, err = lru.New[[sha256.Size]byte, *verifiedToken](size); err != nil {
		return err
	}
	v.verifiedPeers, err = lru.New[[sha256.Size]byte, *cachedPeer](size)
	return err
}

// What a caller can do about the common faults.
const (
	fixSendAsIssued = "Send the token exactly as the issuer returned it: three base64url parts joined by dots, without \"Bearer\"."
	fixJSON         = "Send a token exactly as its issuer returned it; send claims as one JSON object with each member once."
	fixNewToken     = "Get a new token from the issuer and send that."
	fixIssuerClaims = "Ask the issuer to put the claim in its tokens, or map another claim in the issuer's claims."
	fixWait         = "Retry shortly. If it stays, an operator should see how the issuer stands (GET /v1/issuers) and what this node logs of it."
)

// invalid returns the fault of a token, or of asserted claims, that is not valid.
func invalid(cause, message, fix string) *authz.Fault {
	return &authz.Fault{Code: authz.TokenInvalid, Cause: cause, Message: message, Fix: fix}
}

// unavailable returns the fault of an issuer that cannot be reached, or of what it
// publishes. That is not the token's fault, so it is not TOKEN_INVALID.
func unavailable(cause, message string) *authz.Fault {
	return &authz.Fault{Code: authz.IssuerUnavailable, Cause: cause, Message: message, Fix: fixWait}
}

// refusedIssuer returns the fault of evidence by an issuer that is not trusted for it.
func refusedIssuer(cause, message, fix string) *authz.Fault {
	return &authz.Fault{Code: authz.IssuerUntrusted, Cause: cause, Message: message, Fix: fix}
}

// unknown returns the fault of evidence that belongs to no registered credential.
func unknown(cause, message, fix string) *authz.Fault {
	return &authz.Fault{Code: authz.CredentialUnknown, Cause: cause, Message: message, Fix: fix}
}

// missing returns the fault of evidence that was not sent.
func missing(cause, message, fix string) *authz.Fault {
	return &authz.Fault{Code: authz.CredentialMissing, Cause: cause, Message: message, Fix: fix}
}

// refused returns the principal of evidence with a fault, which has no subject.
func refused(evidence string, fault *authz.Fault) authz.Principal {
	return authz.Principal{Evidence: evidence, Fault: fault}
}
