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
	// Listen is the address decisions are served on, host:port or a Unix socket
	// (api.Socket). Port 0 takes a free one.
	Listen string
	// AdminListen is the address of the admin API, likewise.
	AdminListen string
	// Demo loads the Brightfold demo data and its token issuer into an empty data
	// directory.
	Demo bool
	// Policies is the folder the base bundle is loaded from, and loaded again from when
	// it changes; empty means the base bundle inside the binary.
	Policies string

	Bundles      Bundles
	DecisionLog  DecisionLog
	Store        Store
	Engine       Engine
	Decide       Decide
	Credentials  Credentials
	TokenService TokenService
	TLS          TLS
	AdminTLS     AdminTLS
	HTTP         HTTP
	Log          Log
	Tracing      Tracing
}

// Bundles configures the life of policy sets.
type Bundles struct {
	// Keep is how many generations stay on disk beside the active one.
	Keep int
	// RequireSignatures refuses every bundle that no key of Keys signed, but the base
	// policies inside the binary.
	RequireSignatures bool
	// Keys is a YAML or JSON file with the keys bundles may be signed by, as under keys
	// in OPA's configuration: {"<id>": {"algorithm": "ES256", "key": "<PEM>", "scope": ..}}.
	Keys string
	// Scope is what the signature of a bundle must say it is for; empty: nothing.
	Scope string
	// Sources is a YAML or JSON file with the bundle servers and folders to pull from.
	Sources string
	// Replay is how many of the newest recorded decisions the gate replays; 0: none.
	Replay int
	// MaxSize bounds a packed bundle in bytes; 64 MiB bounds it unpacked.
	MaxSize int64
}

// DecisionLog configures what is kept of decisions, and where it goes.
type DecisionLog struct {
	// Durability is async, spool or required: what holds of a decision's record when
	// the decision is answered. Policies may ask for more.
	Durability string
	// MaxAge and MaxBytes bound what is kept: the oldest records go first.
	MaxAge   time.Duration
	MaxBytes int64
	// AuditMaxAge and AuditMaxBytes bound what is kept of who changed what, beside it.
	AuditMaxAge   time.Duration
	AuditMaxBytes int64
	// Queue is how many decisions may wait to be written, Wait how long one waits for
	// room in it.
	Queue int
	Wait  time.Duration

	// Lines is a file that records are appended to as JSON lines, or - for standard
	// output; empty: none.
	Lines string
	// OPAURL is a server that takes decision logs as OPA sends them; empty: none.
	// OPATokenFile holds the bearer token it wants.
	OPAURL, OPATokenFile string
	// OTLPEndpoint is the URL records are sent to as OpenTelemetry logs; empty: none.
	OTLPEndpoint string
}

// Store configures the data at rest.
type Store struct {
	// ChangeLogMax is how many changes the change feed keeps; a reader further
	// behind is told to start over from an export. Data is kept as of every revision
	// the feed reaches back to: decisions are replayed with what they saw.
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

// AdminTLS configures the listener of the admin API.
type AdminTLS struct {
	// Cert and Key are PEM files, read again when they change.
	Cert, Key string
	// ClientCA is a PEM file of authorities, read again when it changes: a client has to
	// present a certificate that leads to one of them, beside its API key. Empty: none is
	// asked for.
	ClientCA string
}

// HTTP configures all listeners.
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
		Bundles:      Bundles{Keep: 20, Replay: 5000, MaxSize: 16 << 20},
		DecisionLog:  DecisionLog{Durability: "spool", MaxAge: 30 * 24 * time.Hour, MaxBytes: 1 << 30, AuditMaxAge: 400 * 24 * time.Hour, AuditMaxBytes: 256 << 20, Queue: 10_000, Wait: 2 * time.Second},
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
