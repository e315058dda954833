package verdict.lib.facts_test

import data.verdict.lib.facts
import data.verdict.lib.fixtures_test as f

_declared(asked, world) if {
	facts.declared with input as asked
		with data.machine_users as world.machine_users
		with data.services as world.services
		with data.edges as world.edges
}

test_a_call_on_an_edge_that_names_its_action_is_declared if {
	_declared(f.question, f.world)
	_declared(f.question, f.changed(f.world, array.concat(f.edge_path, ["actions"]), ["*"]))
}

test_a_call_of_unknown_parties_is_not_declared if {
	not _declared(f.question, f.without(f.world, f.caller_path))
	not _declared(f.question, f.without(f.world, f.service_path))
	not _declared(f.question, f.changed(f.world, f.caller_path, true))
	not _declared(f.question, f.changed(f.world, f.service_path, "svc:email"))
}

test_a_call_without_an_edge_is_not_declared if {
	not _declared(f.question, f.without(f.world, f.edge_path))
	not _declared(f.changed(f.question, ["subject", "id"], "mu:other"), f.world)
}

test_a_call_on_an_expired_edge_is_not_declared if {
	not _declared(f.question, f.changed(f.world, array.concat(f.edge_path, ["expires_at"]), "2026-11-22T10:00:00Z"))
}

test_an_action_the_edge_does_not_name_is_not_declared if {
	not _declared(f.changed(f.question, ["action", "name"], "email.purge"), f.world)
	not _declared(f.changed(f.question, ["action", "name"], "email"), f.world)
	not _declared(f.question, f.changed(f.world, array.concat(f.edge_path, ["actions"]), "email.send"))
}

test_a_call_at_no_time_is_not_declared if {
	not _declared(f.without(f.question, ["time"]), f.world)
	not _declared(f.changed(f.question, ["time"], "now"), f.world)
}

_caller_tenant(asked, world) := tenant if {
	tenant := facts.caller_tenant with input as asked with data.machine_users as world.machine_users
}

test_a_caller_acts_for_its_own_tenant_or_else_its_token_s if {
	owned := f.changed(f.world, array.concat(f.caller_path, ["tenant"]), "acme")
	of_helios := f.changed(f.question, ["token", "tenant"], "helios")
	_caller_tenant(of_helios, owned) == "acme"
	_caller_tenant(f.without(f.question, ["token"]), owned) == "acme"
	_caller_tenant(of_helios, f.world) == "helios"
	_caller_tenant(f.question, f.world) == ""
	_caller_tenant(f.without(f.question, ["token"]), f.world) == ""
	_caller_tenant(of_helios, f.without(f.world, f.caller_path)) == ""
}

_caller_tier(tier) := settings if {
	settings := facts.caller_tier with input as f.question
		with data.machine_users as {"mu:caller": {"tier": tier}}
		with data.verdict.config.tiers as {"0": {"name": "strictest"}, "2": {"name": "second"}}
}

test_a_caller_of_no_known_tier_is_of_the_strictest if {
	_caller_tier(2) == {"name": "second"}
	every tier in [0, 1, 9, null, [2]] {
		_caller_tier(tier) == {"name": "strictest"}
	}
	unknown := facts.caller_tier with input as f.question with data.machine_users as {}
	unknown == data.verdict.config.tiers["0"]
	nothing := facts.caller_tier with data.verdict.config as {}
	nothing == {}
}

test_seconds_are_whole if {
	facts.now_s == 1795341599 with input as {"time": "2026-11-22T09:59:59.999999999Z"}
}
