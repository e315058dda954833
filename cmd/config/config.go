package config

import "errors"

// Config is everything `verdict serve` can be told. The zero Config is not usable;
// start from Default. What a field means, its default and what it may be is said once,
// in its declaration: see sections.go.
type Config struct {
	Data                string
	Listen, AdminListen string
	Demo                bool
	Policies            string

	TLS          TLS
	AdminTLS     AdminTLS
	Bundles      Bundles
	DecisionLog  DecisionLog
	Store        Store
	Engine       Engine
	Decide       Decide
	Credentials  Credentials
	TokenService TokenService
	HTTP         HTTP
	Log          Log
	Tracing      Tracing
}

// Settings is the table of all settings, bound to the fields of c: setting one
// changes c.
func (c *Config) Settings() []Setting {
	var all []Setting
	for _, section := range []func(*Config) []Setting{
		(*Config).addresses, (*Config).tls, (*Config).adminTLS, (*Config).base, (*Config).bundles, (*Config).decisionLog, (*Config).store,
		(*Config).engine, (*Config).decide, (*Config).credentials, (*Config).tokenService, (*Config).http, (*Config).log, (*Config).tracing,
	} {
		all = append(all, section(c)...)
	}
	return all
}

// Default is the configuration when nothing is said.
func Default() Config {
	var c Config
	for _, s := range c.Settings() {
		s.restore()
	}
	return c
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
	return errors.Join(problems...)
}
