package config

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
)

// EnvPrefix starts the name of every environment variable Verdict reads.
const EnvPrefix = "VERDICT_"

// Sources are the places a configuration is read from, beside its defaults.
type Sources struct {
	// File is the path of a YAML file; empty reads none.
	File string
	// LookupEnv finds an environment variable; nil finds none. An empty variable
	// counts as not set.
	LookupEnv func(name string) (string, bool)
	// LookupFlag finds the text of a flag, by name without dashes, that was given
	// on the command line; nil finds none.
	LookupFlag func(name string) (string, bool)
}

// Loaded is a configuration and where each of its values came from.
type Loaded struct {
	Config Config
	// origins :: key -> "flag --listen", "environment VERDICT_LISTEN",
	// "verdict.yaml:3"; a key that is missing has its default.
	origins map[string]string
}

// Load composes the configuration and validates it. The error joins every
// problem found, each naming its origin; Loaded then holds what could be read.
func Load(from Sources) (Loaded, error) {
	l := Loaded{Config: Default(), origins: map[string]string{}}
	problems := slices.Concat(l.readFile(from.File), l.readEnv(from.LookupEnv), l.readFlags(from.LookupFlag))
	for _, s := range l.Config.Settings() {
		if err := s.Validate(); err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", l.Origin(s.Key), err))
		}
	}
	return l, errors.Join(problems...)
}

// Origin returns where the value of key came from.
func (l Loaded) Origin(key string) string {
	if origin, ok := l.origins[key]; ok {
		return origin
	}
	return "default"
}

// Settings is the table of all settings with their effective values.
func (l Loaded) Settings() []Setting { return l.Config.Settings() }

func (l Loaded) set(s Setting, value, origin string) error {
	l.origins[s.Key] = origin
	if err := s.Set(value); err != nil {
		return fmt.Errorf("%s: %w", origin, err)
	}
	return nil
}

func (l *Loaded) readFile(path string) []error {
	if path == "" {
		return nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return []error{fmt.Errorf("the configuration file cannot be read: %w", err)}
	}
	entries, problems := parseYAML(path, data)
	table := l.Config.Settings()
	for _, e := range entries {
		s, err := e.find(table)
		if err == nil {
			err = l.set(s, e.value, e.origin())
		}
		if err != nil {
			problems = append(problems, located{e.line, err})
		}
	}
	return inOrder(problems)
}

// inOrder sorts problems by their line.
func inOrder(problems []located) []error {
	slices.SortStableFunc(problems, func(a, b located) int { return cmp.Compare(a.line, b.line) })
	var errs []error
	for _, p := range problems {
		errs = append(errs, p.err)
	}
	return errs
}

func (l *Loaded) readEnv(lookup func(string) (string, bool)) []error {
	if lookup == nil {
		return nil
	}
	return l.readNamed(func(s Setting) (string, string, bool) {
		text, ok := lookup(s.Env())
		return text, "environment " + s.Env(), ok && text != ""
	})
}

func (l *Loaded) readFlags(lookup func(string) (string, bool)) []error {
	if lookup == nil {
		return nil
	}
	return l.readNamed(func(s Setting) (string, string, bool) {
		text, ok := lookup(s.Flag())
		return text, "flag --" + s.Flag(), ok
	})
}

func (l *Loaded) readNamed(find func(Setting) (text, origin string, ok bool)) []error {
	var problems []error
	for _, s := range l.Config.Settings() {
		text, origin, ok := find(s)
		if !ok {
			continue
		}
		if err := l.set(s, text, origin); err != nil {
			problems = append(problems, err)
		}
	}
	return problems
}

// UnknownEnv lists the set variables of environ ("NAME=value") that start with
// EnvPrefix and are neither a setting's nor in known. They are not refused,
// because an orchestrator may set variables named after a service.
func UnknownEnv(environ []string, known ...string) []string {
	c := Default()
	for _, s := range c.Settings() {
		known = append(known, s.Env())
	}
	var unknown []string
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		if value != "" && strings.HasPrefix(name, EnvPrefix) && !slices.Contains(known, name) {
			unknown = append(unknown, name)
		}
	}
	slices.Sort(unknown)
	return unknown
}
