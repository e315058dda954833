//go:build race

package test

// perSecond is how many questions a second a load asks: what a busy machine of two
// cores answers under the race detector.
const perSecond = 30
