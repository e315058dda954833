//go:build !race

package test

// perSecond is how many questions a second a load asks.
const perSecond = 200
