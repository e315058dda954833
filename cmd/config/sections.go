package config

import (
	"time"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/decisionlog"
	"github.com/verdict-pdp/verdict/engine"
	"github.com/verdict-pdp/verdict/generations"
	"github.com/verdict-pdp/verdict/store"
	"github.com/verdict-pdp/verdict/usage"
)

// The settings, section by section: the fields, and then for each its key, its default,
// the least and the most of a number, what it is for, and what else it must meet. The
// key gives the environment variable and the flag; help, the manuals and the table in
// docs/operating.md are made of these lines (`make generate`). A default that a room has
// for itself is the room's constant.

const (
	millisecond = time.Millisecond
	second      = time.Second
	hour        = time.Hour
	day         = 24 * hour
)

func (c *Config) addresses() []Setting {
	return []Setting{
		text("data", &c.Data, "./data", "data directory", notEmpty(&c.Data)),
		text("listen", &c.Listen, "127.0.0.1:8181", "address decisions are served on: host:port, unix:/path or unix:/path|MODE for a socket", address(&c.Listen)),
		text("admin_listen", &c.AdminListen, "127.0.0.1:8182", "address of the admin API, likewise", address(&c.AdminListen), notThatOf(&c.AdminListen, &c.Listen, "listen")),
	}
}

// TLS configures the listener of decisions. Clients may present certificates: whether
// they lead anywhere is judged by the registered issuers.
type TLS struct{ Cert, Key string }

func (c *Config) tls() []Setting {
	t := &c.TLS
	return []Setting{
		text("tls.cert", &t.Cert, "", "PEM file of the certificate decisions are served with over TLS; empty serves plain HTTP", together(&t.Cert, &t.Key, "tls.key"), notOnSocket(&t.Cert, &c.Listen, "listen")),
		text("tls.key", &t.Key, "", "PEM file of its private key; both are read again when they change", together(&t.Key, &t.Cert, "tls.cert")),
	}
}

// AdminTLS configures the listener of the admin API.
type AdminTLS struct{ Cert, Key, ClientCA string }

func (c *Config) adminTLS() []Setting {
	t := &c.AdminTLS
	return []Setting{
		text("admin_tls.cert", &t.Cert, "", "PEM file of the certificate the admin API is served with over TLS; empty serves plain HTTP", together(&t.Cert, &t.Key, "admin_tls.key"), notOnSocket(&t.Cert, &c.AdminListen, "admin_listen")),
		text("admin_tls.key", &t.Key, "", "PEM file of its private key", together(&t.Key, &t.Cert, "admin_tls.cert")),
		text("admin_tls.client_ca", &t.ClientCA, "", "PEM file of the authorities that certificates of its clients must lead to; empty asks for none", needs(&t.ClientCA, &t.Cert, "admin_tls.cert")),
	}
}

func (c *Config) base() []Setting {
	return []Setting{
		boolean("demo", &c.Demo, "load the Brightfold demo data and token issuer into an empty data directory"),
		text("policies", &c.Policies, "", "folder of the base policies, watched for changes; empty is the base bundle in the binary"),
	}
}

// Bundles configures the life of policy sets. Keys and Sources name files.
type Bundles struct {
	Keep              int
	RequireSignatures bool
	Keys              string
	Scope             string
	Sources           string
	Replay            int
	MaxSize           int64
}

func (c *Config) bundles() []Setting {
	b := &c.Bundles
	return []Setting{
		number("bundles.keep", &b.Keep, generations.DefaultKeep, 1, 1000, "generations of policies kept on disk beside the active one"),
		boolean("bundles.require_signatures", &b.RequireSignatures, "refuse bundles that no key of bundles.keys signed", keysNamed(&b.RequireSignatures, &b.Keys)),
		text("bundles.keys", &b.Keys, "", "file with the keys bundles may be signed by, as in OPA's configuration"),
		text("bundles.scope", &b.Scope, "", "scope that signatures of bundles must have"),
		text("bundles.sources", &b.Sources, "", "file with the bundle servers and folders to pull bundles from"),
		number("bundles.replay", &b.Replay, authz.DefaultReplayed, 0, 1_000_000, "newest recorded decisions that a pushed bundle is held against; 0 is none"),
		size("bundles.max_size", &b.MaxSize, authz.DefaultBundleSize, 1<<10, 64<<20, "largest bundle taken, packed"),
	}
}

// DecisionLog configures what is kept of decisions and of who changed what, and where
// records are sent.
type DecisionLog struct {
	Durability    string // an authz.Durability; policies may ask for more
	MaxAge        time.Duration
	MaxBytes      int64
	AuditMaxAge   time.Duration
	AuditMaxBytes int64
	Queue         int
	Wait          time.Duration

	Lines                string
	OPAURL, OPATokenFile string
	OTLPEndpoint         string
}

func (c *Config) decisionLog() []Setting {
	l := &c.DecisionLog
	return []Setting{
		choice("decision_log.durability", &l.Durability, string(authz.Spool), "what holds of a record when its decision is answered: async, spool or required", string(authz.Async), string(authz.Spool), string(authz.Required)),
		duration("decision_log.max_age", &l.MaxAge, decisionlog.DefaultMaxAge, hour, 10*366*day, "how long a record is kept"),
		size("decision_log.max_bytes", &l.MaxBytes, decisionlog.DefaultMaxBytes, 16<<20, 1<<44, "disk space the records may take; the oldest go first"),
		duration("decision_log.audit_max_age", &l.AuditMaxAge, decisionlog.DefaultAuditMaxAge, hour, 10*366*day, "how long the record of a change is kept"),
		size("decision_log.audit_max_bytes", &l.AuditMaxBytes, decisionlog.DefaultAuditMaxBytes, 1<<20, 1<<44, "disk space the records of changes may take, beside those of decisions"),
		number("decision_log.queue", &l.Queue, decisionlog.DefaultQueue, 1, 1_000_000, "decisions that may wait to be written"),
		duration("decision_log.wait", &l.Wait, decisionlog.DefaultWait, millisecond, 60*second, "longest wait of a decision for its record"),
		text("decision_log.lines", &l.Lines, "", "file records are appended to as JSON lines, - for standard output; empty is none"),
		text("decision_log.opa_url", &l.OPAURL, "", "server that records are sent to as OPA sends decision logs; empty is none", endpoint(&l.OPAURL)),
		text("decision_log.opa_token_file", &l.OPATokenFile, "", "file with the bearer token that server wants"),
		text("decision_log.otlp_endpoint", &l.OTLPEndpoint, "", "URL records are sent to as OpenTelemetry logs; empty is none", endpoint(&l.OTLPEndpoint)),
	}
}

// Store configures the data at rest. Data is kept as of every revision that the change
// feed reaches back to: decisions are replayed with what they saw.
type Store struct {
	ChangeLogMax     int
	ExpiredRetention time.Duration
	HotLimit         int
	MinFree          int64
}

func (c *Config) store() []Setting {
	s := &c.Store
	return []Setting{
		number("store.change_log_max", &s.ChangeLogMax, store.DefaultChangeRetention, 1000, 1_000_000_000, "changes kept in the change feed"),
		duration("store.expired_retention", &s.ExpiredRetention, store.DefaultExpiredRetention, second, 366*day, "how long an entity is kept after it expired"),
		number("store.hot_limit", &s.HotLimit, store.DefaultHotLimit, 1, 10_000_000, "entities of a small collection kept decoded in memory"),
		size("store.min_free", &s.MinFree, store.DefaultMinFree, 1<<20, 1<<40, "free disk space below which no write is taken"),
	}
}

// Engine bounds one evaluation.
type Engine struct {
	Timeout      time.Duration
	MaxKeys      int
	DecodedFacts int
}

func (c *Config) engine() []Setting {
	e := &c.Engine
	return []Setting{
		duration("engine.timeout", &e.Timeout, engine.DefaultTimeout, millisecond, 10*second, "longest evaluation before it denies"),
		number("engine.max_keys", &e.MaxKeys, engine.DefaultMaxKeys, 1, 10_000, "store keys one evaluation may read before it denies"),
		number("engine.decoded_facts", &e.DecodedFacts, engine.DefaultDecodedFacts, 1, 10_000_000, "entities kept in the form policies read"),
	}
}

// Decide configures the decision pipeline.
type Decide struct {
	AtLeastWait time.Duration
	Audience    string // the URL of the token service does as well
}

func (c *Config) decide() []Setting {
	d := &c.Decide
	return []Setting{
		duration("decide.at_least_wait", &d.AtLeastWait, 2*second, 0, 60*second, "longest wait for a revision asked for with at_least"),
		text("decide.audience", &d.Audience, "verdict", "name that signed client assertions must be made out to; give each installation its own", notEmpty(&d.Audience)),
	}
}

// Credentials configures what is kept of the use of credentials.
type Credentials struct{ UseEvery time.Duration }

func (c *Config) credentials() []Setting {
	return []Setting{
		duration("credentials.use_every", &c.Credentials.UseEvery, usage.DefaultEvery, second, day, "how often the last use of one credential is written; less often loses more at a crash"),
	}
}

// TokenService configures our own issuer of tokens.
type TokenService struct {
	Issuer                string
	Service               string
	Lifetime, KeyLifetime time.Duration
}

func (c *Config) tokenService() []Setting {
	t := &c.TokenService
	return []Setting{
		text("token_service.issuer", &t.Issuer, "", "URL the token service issues tokens under; empty is no token service", issuerURL(&t.Issuer)),
		text("token_service.service", &t.Service, "svc:token", "service the right to get tokens is declared for, by an edge with token.issue", notEmpty(&t.Service)),
		duration("token_service.lifetime", &t.Lifetime, 5*time.Minute, 10*second, hour, "life of a token it issues"),
		duration("token_service.key_lifetime", &t.KeyLifetime, 30*day, 4*hour, 366*day, "how long one of its keys signs"),
	}
}

// HTTP configures all listeners.
type HTTP struct {
	BodyLimit                   int64
	DrainDelay, ShutdownTimeout time.Duration
}

func (c *Config) http() []Setting {
	h := &c.HTTP
	return []Setting{
		size("http.body_limit", &h.BodyLimit, api.DefaultBodyLimit, 1<<10, 64<<20, "largest request body, such as 1MiB; imports are streamed"),
		duration("http.drain_delay", &h.DrainDelay, 0, 0, 600*second, "how long /readyz says 503 before the listeners close"),
		duration("http.shutdown_timeout", &h.ShutdownTimeout, 15*second, 0, 600*second, "longest wait for requests in flight at shutdown"),
	}
}

// Log configures the log on standard error.
type Log struct{ Level, Format string }

func (c *Config) log() []Setting {
	return []Setting{
		choice("log.level", &c.Log.Level, "info", "debug, info, warn or error", "debug", "info", "warn", "error"),
		choice("log.format", &c.Log.Format, "text", "text or json", "text", "json"),
	}
}

// Tracing configures OpenTelemetry traces.
type Tracing struct{ OTLPEndpoint string }

func (c *Config) tracing() []Setting {
	return []Setting{
		text("tracing.otlp_endpoint", &c.Tracing.OTLPEndpoint, "", "URL traces are sent to over OTLP/HTTP; empty sends none", endpoint(&c.Tracing.OTLPEndpoint)),
	}
}
