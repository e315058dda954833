//go:build race

package test

// perSecond is how many questions a second a load asks: what a busy machine of two
// cores answers under the race detector.
const perSecond = 30

// swaps is how many generations are activated under load: each is prepared anew, which
// takes ten times as long under the race detector.
const swaps = 40
