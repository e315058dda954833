package config

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

// value reads and writes one field of a Config as text. It is what a flag of the
// pflag library is made of. The error of Set continues the setting's name.
type value interface {
	Set(text string) error
	String() string
	Type() string
}

type text struct{ to *string }

func (v text) Set(s string) error { *v.to = s; return nil }
func (v text) String() string     { return *v.to }
func (text) Type() string         { return "string" }

type boolean struct{ to *bool }

func (v boolean) Set(s string) error {
	b, err := strconv.ParseBool(s)
	if err != nil {
		return errors.New("is " + strconv.Quote(s) + "; write true or false")
	}
	*v.to = b
	return nil
}
func (v boolean) String() string { return strconv.FormatBool(*v.to) }
func (boolean) Type() string     { return "bool" }

type number struct{ to *int }

func (v number) Set(s string) error {
	n, err := strconv.Atoi(strings.ReplaceAll(s, "_", ""))
	if err != nil {
		return errors.New("is " + strconv.Quote(s) + "; write a whole number")
	}
	*v.to = n
	return nil
}
func (v number) String() string { return strconv.Itoa(*v.to) }
func (number) Type() string     { return "int" }

type duration struct{ to *time.Duration }

func (v duration) Set(s string) error {
	d, err := time.ParseDuration(s)
	if err != nil {
		return errors.New("is " + strconv.Quote(s) + "; write a duration with its unit, such as 50ms, 15s or 24h")
	}
	*v.to = d
	return nil
}
func (v duration) String() string { return brief(*v.to) }
func (duration) Type() string     { return "duration" }

// brief leaves out the minutes and seconds that are none: 168h, not 168h0m0s.
func brief(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

type size struct{ to *int64 }

func units() []struct {
	name  string
	bytes int64
} {
	return []struct {
		name  string
		bytes int64
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}, {"", 1}}
}

func (v size) Set(s string) error {
	for _, unit := range units() {
		digits, ok := strings.CutSuffix(s, unit.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(digits, 10, 64)
		if err != nil || n < 0 || n > (1<<62)/unit.bytes {
			break
		}
		*v.to = n * unit.bytes
		return nil
	}
	return errors.New("is " + strconv.Quote(s) + "; write a size such as 65536, 512KiB or 1MiB")
}

func (v size) String() string { return sizeText(*v.to) }
func (size) Type() string     { return "size" }

func sizeText(n int64) string {
	for _, unit := range units() {
		if n >= unit.bytes && n%unit.bytes == 0 && unit.bytes > 1 {
			return strconv.FormatInt(n/unit.bytes, 10) + unit.name
		}
	}
	return strconv.FormatInt(n, 10)
}
