package main_test

import (
	"testing"
	"time"

	verdict "github.com/verdict-pdp/verdict/cmd/verdict"
)

func TestSpanIsTheNearest(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Hour:                                     "0s",
		400 * time.Millisecond:                         "0s",
		19900 * time.Millisecond:                       "20s",
		59900 * time.Millisecond:                       "1m",
		4*time.Minute + 29*time.Second:                 "4m",
		4*time.Minute + 59*time.Second:                 "5m",
		59*time.Minute + 40*time.Second:                "1h",
		time.Hour + 10*time.Minute:                     "1h10m",
		23*time.Hour + 59*time.Minute + 59*time.Second: "1d",
		26*time.Hour + 10*time.Minute:                  "1d2h",
		47*time.Hour + 50*time.Minute:                  "2d",
	} {
		if got := verdict.Span(d); got != want {
			t.Errorf("%s is %q, want %q", d, got, want)
		}
	}
}
