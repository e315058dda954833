// Package config is the configuration of Verdict: one table of settings, each
// with one name that is its key in the YAML file (engine.timeout), its
// environment variable (VERDICT_ENGINE_TIMEOUT) and its flag (--engine-timeout).
//
// A flag wins over the environment, the environment over the file, the file over
// the default; an empty environment variable counts as not set. Load remembers where each
// value came from, so that an error names the line, variable or flag to change, and
// `verdict config check` shows it. An unknown key is an error that names the nearest known
// one.
package config
