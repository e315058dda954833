package config

import (
	"time"
)

// Config is everything `verdict serve` can be told. The zero Config is not
// usable; start from Default.
type Config struct {
	// Data is the data directory: entities, API keys, fetched key sets, and with
	// Demo the demo issuer's key. One process uses it at a time.
	Data string
	// Listen is the address decisions are served on, host:port. Port 0 takes a
	// free one.
	Listen string
	// AdminListen is the address of the admin API, host:port.
	AdminListen string
	// Demo loads the Brightfold demo data and its token issuer into an empty data
	// directory.
	Demo bool
	// Policies is the folder policies are loaded from; empty means the base
	// bundle inside the binary.
	Policies string

	Store        Store
	Engine       Engine
	Decide       Decide
	Credentials  Credentials
	TokenService TokenService
	TLS          TLS
	HTTP         HTTP
	Log          Log
	Tracing      Tracing
}

// Store configures the data at rest.
type Store struct {
	// ChangeLogMax is how many changes the change feed keeps; a reader further
	// behind is told to start over from an export.
	ChangeLogMax int
	// ExpiredRetention is how long an entity is kept after it ended by itself,
	// so that its denial can say "expired" rather than "unknown".
	ExpiredRetention time.Duration
	// HotLimit is how many entities of a small collection are kept decoded in
	// memory; a larger collection is read from disk.
	HotLimit int
	// MinFree is how many bytes the disk must have available for a write to be
	// taken; decisions go on below it.
	MinFree int64
}

// Engine bounds one evaluation.
type Engine struct {
	// Timeout is how long one evaluation may take before it denies with
	// POLICY_TIMEOUT.
	Timeout time.Duration
	// MaxKeys is how many store keys one evaluation may read before it denies
	// with POLICY_OVER_BUDGET.
	MaxKeys int
	// DecodedFacts is how many entities are kept in the form policies read them.
	DecodedFacts int
}

// Decide configures the decision pipeline.
type Decide struct {
	// AtLeastWait bounds the wait for a data revision asked for with at_least.
	AtLeastWait time.Duration
	// Audience is the aud a client assertion (private_key_jwt) must have. The URL of
	// the token service does as well.
	Audience string
}

// Credentials configures what is kept of the use of credentials.
type Credentials struct {
	// UseEvery is how often the last use of one credential is written; its first use
	// is written at once.
	UseEvery time.Duration
}

// TokenService configures our own issuer of tokens.
type TokenService struct {
	// Issuer is its URL: the iss of its tokens, and where its endpoints are reached.
	// Empty: there is none.
	Issuer string
	// Service is the service that a machine user needs an edge to, with the action
	// token.issue, to get tokens.
	Service string
	// Lifetime is how long a token is good for.
	Lifetime time.Duration
	// KeyLifetime is how long one key signs before the next one does.
	KeyLifetime time.Duration
}

// TLS configures the listener of decisions. Clients may present certificates:
// whether they lead anywhere is judged by the registered issuers.
type TLS struct {
	// Cert and Key are PEM files. They are read again when they change, so that the
	// certificate is renewed without a restart.
	Cert, Key string
}

// HTTP configures both listeners.
type HTTP struct {
	// BodyLimit is the largest request body in bytes; imports are streamed and
	// not bound by it.
	BodyLimit int64
	// DrainDelay is how long /readyz says 503 before the listeners close, so that
	// load balancers stop sending first; 0 closes at once.
	DrainDelay time.Duration
	// ShutdownTimeout is how long requests in flight may take to finish once the
	// server was told to stop.
	ShutdownTimeout time.Duration
}

// Log configures the log on standard error.
type Log struct {
	Level  string // debug, info, warn, error
	Format string // text, json
}

// Tracing configures OpenTelemetry traces.
type Tracing struct {
	// OTLPEndpoint is the URL traces are sent to over OTLP/HTTP; empty sends none.
	OTLPEndpoint string
}

// Default is the configuration when nothing is said.
func Default() Config {
	return Config{
		Data:         "./data",
		Listen:       "127.0.0.1:8181",
		AdminListen:  "127.0.0.1:8182",
		Store:        Store{ChangeLogMax: 1_000_000, ExpiredRetention: 30 * 24 * time.Hour, HotLimit: 100_000, MinFree: 256 << 20},
		Engine:       Engine{Timeout: 250 * time.Millisecond, MaxKeys: 64, DecodedFacts: 10_000},
		Decide:       Decide{AtLeastWait: 2 * time.Second, Audience: "verdict"},
		Credentials:  Credentials{UseEvery: time.Minute},
		TokenService: TokenService{Service: "svc:token", Lifetime: 5 * time.Minute, KeyLifetime: 30 * 24 * time.Hour},
		HTTP:         HTTP{BodyLimit: 1 << 20, ShutdownTimeout: 15 * time.Second},
		Log:          Log{Level: "info", Format: "text"},
	}
}

// Validate reports every value that cannot be served with, joined; each is an
// *authz.Error whose Field is the configuration key.
func (c *Config) Validate() error {
	var problems []error
	for _, s := range c.Settings() {
		if err := s.Validate(); err != nil {
			problems = append(problems, err)
		}
	}
	return joined(problems)
}
