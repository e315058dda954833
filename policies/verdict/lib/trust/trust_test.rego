package verdict.lib.trust_test

import data.verdict.lib.fixtures_test as f
import data.verdict.lib.trust

_required(world) := level if {
	level := trust.required_level with input as f.question
		with data.machine_users as world.machine_users
		with data.services as world.services
		with data.edges as world.edges
}

test_the_higher_of_edge_and_service if {
	_required(f.world) == 3
	_required(f.changed(f.world, array.concat(f.edge_path, ["required_level"]), 4)) == 4
	_required(f.changed(f.world, array.concat(f.edge_path, ["required_level"]), 1)) == 3
}

test_a_service_may_require_nothing if {
	_required(f.changed(f.world, array.concat(f.service_path, ["required_level", "internal"]), 0)) == 0
}

test_a_requirement_of_the_service_that_is_no_number_is_left_to_its_tier if {
	every level in [null, "0", false, [0]] {
		_required(f.changed(f.world, array.concat(f.service_path, ["required_level", "internal"]), level)) == 3
	}
}

test_a_service_that_is_not_registered_requires_what_tier_0_does if {
	_required(f.without(f.world, f.service_path)) == 4
}

test_a_shared_secret_is_never_enough_from_outside_on_a_tier_that_matters if {
	outside := f.changed(f.world, array.concat(f.caller_path, ["origin"]), "external")
	lax := f.changed(outside, array.concat(f.service_path, ["required_level", "external"]), 1)
	every tier, required in {"0": 2, "1": 2, "2": 2, "3": 1} {
		_required(f.changed(lax, array.concat(f.service_path, ["tier"]), to_number(tier))) == required
	}
}

test_without_settings_5_is_required if {
	level := trust.required_level with input as f.question with data.verdict.config as {}
	level == 5
}
