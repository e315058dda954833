# METADATA
# title: Decision
# description: >-
#   The one entrypoint, data.verdict.decision. This package is the decision object:
#   every rule here is one of its members, and each always has a value.
# entrypoint: true
package verdict.decision

import data.verdict.lib.outcome
import data.verdict.lib.trust

# METADATA
# description: The call is declared and nothing denies it.
default allow := false

allow if outcome.allowed

# METADATA
# description: Every reason for which the call is denied; empty exactly when it is allowed.
reasons := outcome.reasons

# METADATA
# description: Denials that a mode of observe or flag keeps from denying.
would_deny := outcome.would_deny

# METADATA
# description: What the enforcement point must do, or treat the answer as a deny.
obligations := outcome.obligations

# METADATA
# description: What the enforcement point may do.
advice := outcome.advice

# METADATA
# description: The trust level this call needs, 0 to 5.
required_level := trust.required_level

# METADATA
# description: How many seconds the answer may be kept; 0 forbids it.
cacheable_for_s := outcome.cacheable_for_s

# METADATA
# description: How an enforcement point that cannot reach the PDP fails, deny or allow.
if_pdp_unreachable := outcome.if_pdp_unreachable
