package generations

// LastActive is the digest of the newest version of a bundle that was ever activated,
// also after a rollback to an older one; "" when none was. That
// version need not be pulled again.
func (s *Set) LastActive(name string) string { return s.now().state.Accepted[name].Digest }
