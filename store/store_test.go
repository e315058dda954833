package store_test

import (
	"testing"

	"github.com/verdict-pdp/verdict/store"
	"github.com/verdict-pdp/verdict/store/storetest"
)

// open opens a store and closes it with the test.
func open(t testing.TB, config store.Config) *store.Store {
	t.Helper()
	s, err := store.Open(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestBehaviour(t *testing.T) {
	for name, config := range map[string]store.Config{
		"on disk":   {},
		"in memory": {InMemory: true},
		"all cold":  {InMemory: true, HotLimit: 1},
	} {
		t.Run(name, func(t *testing.T) {
			storetest.Run(t, func(t *testing.T, clock *storetest.Clock) *store.Store {
				c := config
				c.Now = clock.Now
				if !c.InMemory {
					c.Dir = t.TempDir()
				}
				return open(t, c)
			})
		})
	}
}
