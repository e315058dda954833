# METADATA
# title: Facts
# description: >-
#   The facts most guards judge, each read once by its key. An absent one is
#   undefined. A call is declared only when both parties are registered, the time
#   is known and an edge in force names the action: nothing else can be allowed,
#   so guards may leave an undeclared call to guards.subject and guards.edge.
package verdict.lib.facts

import data.verdict.config
import data.verdict.lib.times

# METADATA
# description: The calling machine user.
machine_user := data.machine_users[input.subject.id]

# METADATA
# description: The called service.
service := data.services[input.resource.id]

# METADATA
# description: The edge from the caller to the service, in force or not.
edge := data.edges[input.subject.id][input.resource.id]

# METADATA
# description: The edge, unless it has expired.
edge_in_force := edge if not times.over(edge, "expires_at", now_ns)

# METADATA
# description: The call stands on an edge in force that names its action.
declared if {
	known
	some action in edge_in_force.actions
	action in {input.action.name, "*"}
}

# METADATA
# description: Caller, service and time are all known.
known if {
	is_object(machine_user)
	is_object(service)
	timed
}

# METADATA
# description: The question says when it is asked.
timed if times.ns(input.time)

# METADATA
# description: >-
#   The time to judge at, in nanoseconds. When the question has none it is the end
#   of time, at which everything has expired.
default now_ns := 9223372036854775807

now_ns := times.ns(input.time)

# METADATA
# description: The time to judge at in whole seconds, as tokens count.
now_s := floor(now_ns / 1000000000)

# METADATA
# description: Where the caller comes from; external unless it is known to be internal.
default origin := "external"

origin := "internal" if machine_user.origin == "internal"

# METADATA
# description: >-
#   The tenant the caller acts for, which is its own or else the one its token names.
#   Empty when it acts for none, or is not registered.
default caller_tenant := ""

caller_tenant := object.get(machine_user, "tenant", object.get(input, ["token", "tenant"], ""))

# METADATA
# description: The user the caller's token was issued for.
represented_user := data.users[input.token.on_behalf_of.id] if input.token.on_behalf_of.type == "user"

# METADATA
# description: The settings of the service's tier; of tier 0, the strictest, when it has none.
default tier := {}

tier := object.get(config.tiers, _tier_name, object.get(config.tiers, "0", {}))

# METADATA
# description: The settings of the machine user's tier; of tier 0, the strictest, when it has none.
default caller_tier := {}

caller_tier := object.get(config.tiers, _caller_tier_name, object.get(config.tiers, "0", {}))

default _tier_name := "0"

_tier_name := sprintf("%v", [service.tier])

default _caller_tier_name := "0"

_caller_tier_name := sprintf("%v", [machine_user.tier])
