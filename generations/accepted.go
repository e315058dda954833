package generations

// LastActive is the digest of the newest version of a bundle that was ever activated,
// also after a rollback to an older one; "" when none was. Whoever pulls the bundle
// need not bring that version again.
func (s *Set) LastActive(name string) string { return s.now().state.Accepted[name].Digest }
