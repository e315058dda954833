package verdict.config_test

import data.verdict.config

test_every_guard_of_the_base_bundle_enforces if {
	every guard in ["subject", "credential", "token", "edge", "assurance", "network", "schedule", "entitlement"] {
		config.modes[guard] == "enforce"
	}
}

test_every_tier_is_complete_and_denies_when_the_pdp_is_unreachable if {
	object.keys(config.tiers) == {"0", "1", "2", "3"}
	every tier in config.tiers {
		tier.max_credential_age_s > 0
		tier.max_token_age_s > 0
		tier.cacheable_for_s >= 0
		tier.if_pdp_unreachable == "deny"
		tier.required_level.internal in numbers.range(0, 5)
		tier.required_level.external in numbers.range(tier.required_level.internal, 5)
	}
}

test_a_more_critical_tier_is_never_laxer if {
	every i in [0, 1, 2] {
		tier := config.tiers[format_int(i, 10)]
		next := config.tiers[format_int(i + 1, 10)]
		tier.max_credential_age_s <= next.max_credential_age_s
		tier.max_token_age_s <= next.max_token_age_s
		tier.cacheable_for_s <= next.cacheable_for_s
		tier.required_level.internal >= next.required_level.internal
		tier.required_level.external >= next.required_level.external
	}
}

test_no_tier_but_the_last_takes_a_shared_secret_from_outside if {
	every tier in ["0", "1", "2"] {
		config.tiers[tier].least_level.external == 2
	}
}

test_weak_proof_is_the_only_denial_that_may_be_excepted if {
	config.exceptable_codes == ["AUTH_TOO_WEAK"]
}

test_the_most_critical_tier_alone_needs_support_of_a_stale_issuer if {
	config.stale.support_required_tiers == [0]
}
