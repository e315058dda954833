package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// grouped writes n with commas between thousands: 5,000.
func grouped(n uint64) string {
	digits := strconv.FormatUint(n, 10)
	var b strings.Builder
	for i, digit := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(digit)
	}
	return b.String()
}

// plural is n and what it counts.
func plural(n uint64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return grouped(n) + " " + many
}

// byteCount is a number of bytes as people say it.
func byteCount(n int64) string {
	const units = "KMGT"
	if n < 1024 {
		return fmt.Sprintf("%d bytes", n)
	}
	value, unit := float64(n)/1024, 0
	for value >= 1024 && unit < len(units)-1 {
		value, unit = value/1024, unit+1
	}
	return fmt.Sprintf("%.1f %ciB", value, units[unit])
}

// took is how long something took.
func took(ms int64) string {
	return (time.Duration(ms) * time.Millisecond).String()
}

// stamp is a time as tables and reports show it; empty for the zero time.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// shortDigest is enough of a digest to tell it from others.
func shortDigest(digest string) string {
	const shown = len("sha256:") + 12
	if len(digest) <= shown {
		return digest
	}
	return digest[:shown]
}

// percent is a part of a whole, as a percentage without needless digits.
func percent(part float64) string { return strconv.FormatFloat(100*part, 'g', 3, 64) + " %" }

// parseTime reads the value of a flag that takes a time: RFC 3339, or now.
func (c *cli) parseTime(flag, text string) (time.Time, error) {
	if text == "now" {
		return c.now().UTC(), nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, usage(fmt.Sprintf("%s is %q", flag, text), "Write a time such as 2026-11-22T09:30:00Z, or now.")
	}
	return at, nil
}

// end is when something ends, as a time or as so long from now.
type end struct {
	at  string
	in  time.Duration
	set bool // in was given
}

// moment is the end, zero when none was given. The flags' names are for what is
// wrong with them.
func (e *end) moment(c *cli, atFlag, inFlag string) (time.Time, error) {
	at := c.now().UTC().Truncate(time.Second).Add(e.in)
	flag := inFlag
	switch {
	case e.at != "":
		var err error
		if at, err = c.parseTime(atFlag, e.at); err != nil {
			return time.Time{}, err
		}
		flag = atFlag
	case !e.set:
		return time.Time{}, nil
	}
	if !at.After(c.now()) {
		return time.Time{}, usage(flag+" is in the past", "Name a time to come.")
	}
	return at, nil
}

const day = 24 * time.Hour

// span is a duration as people say it, in its one or two largest units, rounded to the
// nearest. One that has passed is none.
func span(d time.Duration) string {
	d = rounded(max(0, d))
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%dm", d/time.Minute)
	case d < day:
		return units(d/time.Hour, "h", d%time.Hour/time.Minute, "m")
	}
	return units(d/day, "d", d%day/time.Hour, "h")
}

// rounded is d to the nearest of the smallest unit that span shows of it.
func rounded(d time.Duration) time.Duration {
	switch {
	case d < time.Minute:
		return d.Round(time.Second)
	case d < day:
		return d.Round(time.Minute)
	}
	return d.Round(time.Hour)
}

func units(large time.Duration, of string, small time.Duration, in string) string {
	text := fmt.Sprintf("%d%s", large, of)
	if small > 0 {
		text += fmt.Sprintf("%d%s", small, in)
	}
	return text
}

// ago is how long at is past; empty for the zero time.
func ago(now, at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return span(now.Sub(at)) + " ago"
}

// left is how long it is until at: "now" once it has come, empty for the zero time.
func left(now, at time.Time) string {
	if at.IsZero() {
		return ""
	}
	if !at.After(now) {
		return "now"
	}
	return span(at.Sub(now))
}
