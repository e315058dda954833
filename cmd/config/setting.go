package config

import (
	"cmp"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/verdict-pdp/verdict/authz"
)

// Setting is one configuration value under its one name. It is a flag value of the
// pflag library.
type Setting struct {
	Key     string   // in the file: "engine.timeout"
	Usage   string   // one line, for help and the manuals
	Allowed string   // the values it may have: "1ms to 10s"; empty when Usage tells
	Choices []string // all it may have, for completion; nil when they are not counted

	kind    string
	get     func() string
	set     func(text string) error // the error continues the setting's name
	restore func()                  // its default
	wrong   func() string           // what cannot be served with, continuing its name; "" when nothing
}

// Env is the environment variable of the setting: VERDICT_ENGINE_TIMEOUT.
func (s Setting) Env() string {
	return EnvPrefix + strings.ToUpper(strings.ReplaceAll(s.Key, ".", "_"))
}

// Flag is the name of the setting's flag, without dashes: engine-timeout.
func (s Setting) Flag() string {
	return strings.NewReplacer(".", "-", "_", "-").Replace(s.Key)
}

// String is the value as Set reads it.
func (s Setting) String() string { return s.get() }

// Type is string, bool, int, duration or size.
func (s Setting) Type() string { return s.kind }

// Set reads text as the setting's value. The error is an *authz.Error that says
// how to write one; the value is then unchanged.
func (s Setting) Set(text string) error {
	if err := s.set(text); err != nil {
		return authz.Invalid(s.Key, err.Error())
	}
	return nil
}

// Validate reports whether the value set can be served with.
func (s Setting) Validate() error {
	if wrong := s.wrong(); wrong != "" {
		return authz.Invalid(s.Key, wrong)
	}
	return nil
}

// check returns what is wrong with a value, continuing the setting's name; "" when
// nothing is.
type check func() string

// declare makes the setting of the field at to: its default and how it is written.
func declare[T any](key, usage, kind string, to *T, standard T, read func(string) (T, error), write func(T) string, checks ...check) Setting {
	return Setting{
		Key: key, Usage: usage, kind: kind,
		get:     func() string { return write(*to) },
		restore: func() { *to = standard },
		set: func(text string) error {
			v, err := read(text)
			if err == nil {
				*to = v
			}
			return err
		},
		wrong: func() string {
			for _, check := range checks {
				if wrong := check(); wrong != "" {
					return wrong
				}
			}
			return ""
		},
	}
}

// between declares a setting whose value is low to high.
func between[T cmp.Ordered](key, usage, kind string, to *T, standard, low, high T, read func(string) (T, error), write func(T) string) Setting {
	allowed := write(low) + " to " + write(high)
	s := declare(key, usage, kind, to, standard, read, write, func() string {
		if *to < low || *to > high {
			return "is " + write(*to) + "; it must be " + allowed
		}
		return ""
	})
	s.Allowed = allowed
	return s
}

func text(key string, to *string, standard, usage string, checks ...check) Setting {
	return declare(key, usage, "string", to, standard, func(s string) (string, error) { return s, nil }, func(s string) string { return s }, checks...)
}

// choice declares one of several words; usage names them.
func choice(key string, to *string, standard, usage string, words ...string) Setting {
	s := text(key, to, standard, usage, func() string {
		if slices.Contains(words, *to) {
			return ""
		}
		return "is " + strconv.Quote(*to) + "; it must be one of " + strings.Join(words, ", ")
	})
	s.Choices = words
	return s
}

func boolean(key string, to *bool, usage string, checks ...check) Setting {
	return declare(key, usage, "bool", to, false, readBoolean, strconv.FormatBool, checks...)
}

func number(key string, to *int, standard, low, high int, usage string) Setting {
	return between(key, usage, "int", to, standard, low, high, readNumber, strconv.Itoa)
}

func duration(key string, to *time.Duration, standard, low, high time.Duration, usage string) Setting {
	return between(key, usage, "duration", to, standard, low, high, readDuration, writeDuration)
}

func size(key string, to *int64, standard, low, high int64, usage string) Setting {
	return between(key, usage, "size", to, standard, low, high, readSize, writeSize)
}

func readBoolean(s string) (bool, error) {
	b, err := strconv.ParseBool(s)
	if err != nil {
		return false, errors.New("is " + strconv.Quote(s) + "; write true or false")
	}
	return b, nil
}

func readNumber(s string) (int, error) {
	n, err := strconv.Atoi(strings.ReplaceAll(s, "_", ""))
	if err != nil {
		return 0, errors.New("is " + strconv.Quote(s) + "; write a whole number")
	}
	return n, nil
}

func readDuration(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err != nil {
		return 0, errors.New("is " + strconv.Quote(s) + "; write a duration with its unit, such as 50ms, 15s or 24h")
	}
	return d, nil
}

// writeDuration leaves out the minutes and seconds that are none: 168h, not 168h0m0s.
func writeDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

type unit struct {
	name  string
	bytes int64
}

func units() []unit {
	return []unit{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}, {"", 1}}
}

func readSize(s string) (int64, error) {
	for _, unit := range units() {
		digits, ok := strings.CutSuffix(s, unit.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(digits, 10, 64)
		if err != nil || n < 0 || n > (1<<62)/unit.bytes {
			break
		}
		return n * unit.bytes, nil
	}
	return 0, errors.New("is " + strconv.Quote(s) + "; write a size such as 65536, 512KiB or 1MiB")
}

func writeSize(n int64) string {
	for _, unit := range units() {
		if n >= unit.bytes && n%unit.bytes == 0 && unit.bytes > 1 {
			return strconv.FormatInt(n/unit.bytes, 10) + unit.name
		}
	}
	return strconv.FormatInt(n, 10)
}
