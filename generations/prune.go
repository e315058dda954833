package generations

import (
	"path/filepath"
)

// pruneLocked removes the generations past Config.Keep, and then the bundles that no
// generation has. What cannot be removed now is removed another time. The caller
// holds writing.
func (s *Set) pruneLocked() {
	before := s.view.Load()
	after, gone := before.pruned(s.config.Keep)
	s.view.Store(after)
	for _, g := range gone {
		s.compiled.drop(g.Number)
	}
	s.reading.Lock()
	defer s.reading.Unlock()
	if err := s.removeFiles(after, gone); err != nil {
		s.config.Log.Warn("files of generations that are no longer kept could not be removed", "error", err)
	}
}

// pruned is the view without the generations past keep, and those.
func (v *view) pruned(keep int) (*view, []*generation) {
	next := *v
	next.generations = make(map[uint64]*generation, len(v.generations))
	var gone []*generation
	newer, older := 0, 0
	for _, g := range v.newestFirst() {
		switch {
		case g == v.active, g.Number == v.state.Active, g.Number == v.state.Previous:
		case v.candidate(g) && g.Number > v.running():
			newer++
		default:
			older++
		}
		if newer > keep || older > keep {
			gone = append(gone, g)
			newer, older = min(newer, keep), min(older, keep)
			continue
		}
		next.generations[g.Number] = g
	}
	next.state = v.state.forgetting(next.generations)
	return &next, gone
}

// removeFiles removes the files of generations that are gone, and every bundle that
// no generation of v has.
func (s *Set) removeFiles(v *view, gone []*generation) error {
	for _, g := range gone {
		if err := s.disk.remove(generationFile(g.Number)); err != nil {
			return err
		}
	}
	kept := map[string]bool{} // :: file of a bundle -> true
	for _, g := range v.generations {
		for _, ref := range g.Bundles {
			name, err := bundleFile(ref.Digest)
			if err != nil {
				return err
			}
			kept[name] = true
		}
	}
	names, err := s.disk.names(bundleDir)
	if err != nil {
		return err
	}
	for _, name := range names {
		if kept[name] || filepath.Dir(name) != bundleDir {
			continue
		}
		if err := s.disk.remove(name); err != nil {
			return err
		}
	}
	return nil
}
