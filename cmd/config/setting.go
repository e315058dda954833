package config

import (
	"errors"
	"strings"

	"github.com/verdict-pdp/verdict/authz"
)

// Setting is one configuration value under its one name.
type Setting struct {
	Key   string // in the file: "engine.timeout"
	Usage string // one line for help
	value
	check func() string // what is wrong with the value, continuing its name; "" when nothing is
}

// Env is the environment variable of the setting: VERDICT_ENGINE_TIMEOUT.
func (s Setting) Env() string {
	return EnvPrefix + strings.ToUpper(strings.ReplaceAll(s.Key, ".", "_"))
}

// Flag is the name of the setting's flag, without dashes: engine-timeout.
func (s Setting) Flag() string {
	return strings.NewReplacer(".", "-", "_", "-").Replace(s.Key)
}

// Set reads text as the setting's value. The error is an *authz.Error that says
// how to write one; the value is then unchanged.
func (s Setting) Set(text string) error {
	if err := s.value.Set(text); err != nil {
		return authz.Invalid(s.Key, err.Error())
	}
	return nil
}

// Validate reports whether the value set can be served with.
func (s Setting) Validate() error {
	if s.check == nil {
		return nil
	}
	if wrong := s.check(); wrong != "" {
		return authz.Invalid(s.Key, wrong)
	}
	return nil
}

// Settings is the table of all settings, bound to the fields of c: setting one
// changes c.
func (c *Config) Settings() []Setting {
	return []Setting{
		{"data", "data directory", text{&c.Data}, notEmpty(&c.Data)},
		{"listen", "address decisions are served on: host:port, or unix:/path for a socket", text{&c.Listen}, address(&c.Listen)},
		{"admin_listen", "address of the admin API, likewise", text{&c.AdminListen}, otherAddress(&c.AdminListen, &c.Listen)},
		{"tls.cert", "PEM file of the certificate decisions are served with over TLS; empty serves plain HTTP", text{&c.TLS.Cert}, allOf(together(&c.TLS.Cert, &c.TLS.Key, "tls.key"), notOnSocket(&c.TLS.Cert, &c.Listen, "listen"))},
		{"tls.key", "PEM file of its private key", text{&c.TLS.Key}, together(&c.TLS.Key, &c.TLS.Cert, "tls.cert")},
		{"admin_tls.cert", "PEM file of the certificate the admin API is served with over TLS; empty serves plain HTTP", text{&c.AdminTLS.Cert}, allOf(together(&c.AdminTLS.Cert, &c.AdminTLS.Key, "admin_tls.key"), notOnSocket(&c.AdminTLS.Cert, &c.AdminListen, "admin_listen"))},
		{"admin_tls.key", "PEM file of its private key", text{&c.AdminTLS.Key}, together(&c.AdminTLS.Key, &c.AdminTLS.Cert, "admin_tls.cert")},
		{"admin_tls.client_ca", "PEM file of the authorities that certificates of its clients must lead to; empty asks for none", text{&c.AdminTLS.ClientCA}, needs(&c.AdminTLS.ClientCA, &c.AdminTLS.Cert, "admin_tls.cert")},
		{"demo", "load the Brightfold demo data and token issuer into an empty data directory", boolean{&c.Demo}, nil},
		{"policies", "folder of the base policies, watched for changes; empty is the base bundle in the binary", text{&c.Policies}, nil},
		{"bundles.keep", "generations of policies kept on disk beside the active one", number{&c.Bundles.Keep}, within(&c.Bundles.Keep, 1, 1000)},
		{"bundles.require_signatures", "refuse bundles that no key of bundles.keys signed", boolean{&c.Bundles.RequireSignatures}, keysNamed(&c.Bundles.RequireSignatures, &c.Bundles.Keys)},
		{"bundles.keys", "file with the keys bundles may be signed by, as in OPA's configuration", text{&c.Bundles.Keys}, nil},
		{"bundles.scope", "scope that signatures of bundles must have", text{&c.Bundles.Scope}, nil},
		{"bundles.sources", "file with the bundle servers and folders to pull bundles from", text{&c.Bundles.Sources}, nil},
		{"bundles.replay", "newest recorded decisions that a pushed bundle is held against; 0 is none", number{&c.Bundles.Replay}, within(&c.Bundles.Replay, 0, 1_000_000)},
		{"bundles.max_size", "largest bundle taken, packed", size{&c.Bundles.MaxSize}, withinSize(&c.Bundles.MaxSize, 1<<10, 64<<20)},
		{"decision_log.durability", "what holds of a record when its decision is answered: async, spool or required", text{&c.DecisionLog.Durability}, oneOf(&c.DecisionLog.Durability, "async", "spool", "required")},
		{"decision_log.max_age", "how long a record is kept", duration{&c.DecisionLog.MaxAge}, within(&c.DecisionLog.MaxAge, hour, 10*366*24*hour)},
		{"decision_log.max_bytes", "disk space the records may take", size{&c.DecisionLog.MaxBytes}, withinSize(&c.DecisionLog.MaxBytes, 16<<20, 1<<44)},
		{"decision_log.audit_max_age", "how long the record of a change is kept", duration{&c.DecisionLog.AuditMaxAge}, within(&c.DecisionLog.AuditMaxAge, hour, 10*366*24*hour)},
		{"decision_log.audit_max_bytes", "disk space the records of changes may take, beside those of decisions", size{&c.DecisionLog.AuditMaxBytes}, withinSize(&c.DecisionLog.AuditMaxBytes, 1<<20, 1<<44)},
		{"decision_log.queue", "decisions that may wait to be written", number{&c.DecisionLog.Queue}, within(&c.DecisionLog.Queue, 1, 1_000_000)},
		{"decision_log.wait", "longest wait of a decision for its record", duration{&c.DecisionLog.Wait}, within(&c.DecisionLog.Wait, millisecond, 60*second)},
		{"decision_log.lines", "file records are appended to as JSON lines, - for standard output; empty is none", text{&c.DecisionLog.Lines}, nil},
		{"decision_log.opa_url", "server that records are sent to as OPA sends decision logs; empty is none", text{&c.DecisionLog.OPAURL}, endpoint(&c.DecisionLog.OPAURL)},
		{"decision_log.opa_token_file", "file with the bearer token that server wants", text{&c.DecisionLog.OPATokenFile}, nil},
		{"decision_log.otlp_endpoint", "URL records are sent to as OpenTelemetry logs; empty is none", text{&c.DecisionLog.OTLPEndpoint}, endpoint(&c.DecisionLog.OTLPEndpoint)},
		{"store.change_log_max", "changes kept in the change feed", number{&c.Store.ChangeLogMax}, within(&c.Store.ChangeLogMax, 1000, 1_000_000_000)},
		{"store.expired_retention", "how long an entity is kept after it expired", duration{&c.Store.ExpiredRetention}, within(&c.Store.ExpiredRetention, second, 366*24*hour)},
		{"store.hot_limit", "entities of a small collection kept decoded in memory", number{&c.Store.HotLimit}, within(&c.Store.HotLimit, 1, 10_000_000)},
		{"store.min_free", "free disk space below which no write is taken", size{&c.Store.MinFree}, withinSize(&c.Store.MinFree, 1<<20, 1<<40)},
		{"engine.timeout", "longest evaluation before it denies", duration{&c.Engine.Timeout}, within(&c.Engine.Timeout, millisecond, 10*second)},
		{"engine.max_keys", "store keys one evaluation may read before it denies", number{&c.Engine.MaxKeys}, within(&c.Engine.MaxKeys, 1, 10_000)},
		{"engine.decoded_facts", "entities kept in the form policies read", number{&c.Engine.DecodedFacts}, within(&c.Engine.DecodedFacts, 0, 10_000_000)},
		{"decide.at_least_wait", "longest wait for a revision asked for with at_least", duration{&c.Decide.AtLeastWait}, within(&c.Decide.AtLeastWait, 0, 60*second)},
		{"decide.audience", "name that signed client assertions must be made out to", text{&c.Decide.Audience}, notEmpty(&c.Decide.Audience)},
		{"credentials.use_every", "how often the last use of one credential is written", duration{&c.Credentials.UseEvery}, within(&c.Credentials.UseEvery, second, 24*hour)},
		{"token_service.issuer", "URL the token service issues tokens under; empty is no token service", text{&c.TokenService.Issuer}, issuerURL(&c.TokenService.Issuer)},
		{"token_service.service", "service the right to get tokens is declared for, by an edge with token.issue", text{&c.TokenService.Service}, notEmpty(&c.TokenService.Service)},
		{"token_service.lifetime", "life of a token it issues", duration{&c.TokenService.Lifetime}, within(&c.TokenService.Lifetime, 10*second, hour)},
		{"token_service.key_lifetime", "how long one of its keys signs", duration{&c.TokenService.KeyLifetime}, within(&c.TokenService.KeyLifetime, 4*hour, 366*24*hour)},
		{"http.body_limit", "largest request body, such as 1MiB", size{&c.HTTP.BodyLimit}, withinSize(&c.HTTP.BodyLimit, 1<<10, 64<<20)},
		{"http.drain_delay", "how long /readyz says 503 before the listeners close", duration{&c.HTTP.DrainDelay}, within(&c.HTTP.DrainDelay, 0, 600*second)},
		{"http.shutdown_timeout", "longest wait for requests in flight at shutdown", duration{&c.HTTP.ShutdownTimeout}, within(&c.HTTP.ShutdownTimeout, 0, 600*second)},
		{"log.level", "debug, info, warn or error", text{&c.Log.Level}, oneOf(&c.Log.Level, "debug", "info", "warn", "error")},
		{"log.format", "text or json", text{&c.Log.Format}, oneOf(&c.Log.Format, "text", "json")},
		{"tracing.otlp_endpoint", "URL traces are sent to over OTLP/HTTP; empty sends none", text{&c.Tracing.OTLPEndpoint}, endpoint(&c.Tracing.OTLPEndpoint)},
	}
}

func joined(problems []error) error { return errors.Join(problems...) }
