package authz

// Durability is how safe the record of a decision is once the decision is answered.
type Durability string

// Durabilities, each stricter than the one before.
const (
	// Async records wait in memory: a crash, or a full queue, loses them. Losses
	// from a full queue are counted and stand in the log.
	Async Durability = "async"
	// Spool records outlive the process, whatever kills it, but not a power cut
	// within the second after. A full queue slows decisions down instead of losing.
	Spool Durability = "spool"
	// Required records are on disk: no record, no allow.
	Required Durability = "required"
)

// Rank orders durabilities, stricter ones higher; it is 0 for what is not one.
func (d Durability) Rank() int {
	switch d {
	case Async:
		return 1
	case Spool:
		return 2
	case Required:
		return 3
	}
	return 0
}

// Stricter is the stricter of the two. What is not a durability asks for nothing.
func (d Durability) Stricter(other Durability) Durability {
	if other.Rank() > d.Rank() {
		return other
	}
	return d
}
