# METADATA
# title: Modes
# description: >-
#   Says how far each guard's denials reach: off, observe, flag or enforce. The
#   edge in force speaks first, then data.modes, which operators set beside the
#   bundles and need not be there, then the bundle's data; anything unknown enforces.
package verdict.lib.modes

import data.verdict.config
import data.verdict.lib.facts

# METADATA
# description: The mode of a guard for this call.
of(guard) := mode if {
	mode := _chosen(guard)
	mode in {"off", "observe", "flag"}
} else := "enforce"

_chosen(guard) := mode if {
	mode := facts.edge_in_force.modes[guard]
} else := mode if {
	mode := facts.edge_in_force.mode
	not guard in {"subject", "credential", "token"} # these judge who the caller is
} else := mode if {
	mode := data.modes[guard]
} else := config.modes[guard]
