//go:build !race

package test

// perSecond is how many questions a second a load asks.
const perSecond = 200

// swaps is how many generations are activated under load.
const swaps = 100
