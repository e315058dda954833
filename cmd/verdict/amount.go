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
