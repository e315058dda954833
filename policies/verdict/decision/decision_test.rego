package verdict.decision_test

import data.verdict.decision
import data.verdict.lib.fixtures_test as f

# What one spoilt thing changes: [codes, question, world].
_codes(asked, world) := {reason.code | some reason in f.decision(asked, world).reasons}

test_may_this_service_send_this_e_mail_to_this_user if {
	f.decision(f.question, f.world) == {
		"allow": true,
		"reasons": set(),
		"would_deny": set(),
		"obligations": {{"id": "use_address", "address_id": "addr-billing"}},
		"advice": set(),
		"required_level": 3,
		"cacheable_for_s": 5,
		"if_pdp_unreachable": "deny",
	}
}

test_each_guard_denies_on_its_own if {
	every case in [
		{"codes": {"SUBJECT_UNKNOWN"}, "asked": f.changed(f.question, ["subject", "id"], "mu:nobody"), "world": f.world},
		{"codes": {"SUBJECT_SUSPENDED"}, "asked": f.question, "world": f.changed(f.world, array.concat(f.caller_path, ["state"]), "suspended")},
		{"codes": {"CREDENTIAL_RETIRED"}, "asked": f.changed(f.question, ["credential"], {"kind": "jwt", "id": "cred-1", "type": "federated", "state": "retired"}), "world": f.changed(f.world, array.concat(f.caller_path, ["issuers"]), ["demo"])},
		{"codes": {"ISSUER_UNAVAILABLE"}, "asked": f.changed(f.question, ["trust", "freshness"], "stale"), "world": f.world},
		{"codes": {"TOKEN_EXPIRED"}, "asked": f.changed(f.question, ["token", "expires_at"], 1795341599), "world": f.world},
		{"codes": {"SERVICE_UNKNOWN"}, "asked": f.changed(f.question, ["resource", "id"], "svc:nowhere"), "world": f.world},
		{"codes": {"EDGE_NOT_DECLARED"}, "asked": f.question, "world": f.without(f.world, f.edge_path)},
		{"codes": {"ACTION_NOT_ALLOWED"}, "asked": f.changed(f.question, ["action", "name"], "email.purge"), "world": f.world},
		{"codes": {"AUTH_TOO_WEAK"}, "asked": f.changed(f.question, ["trust", "level"], 1), "world": f.world},
		{"codes": {"SOURCE_IP_NOT_ALLOWED"}, "asked": f.changed(f.question, ["context", "source_ip"], "10.9.9.9"), "world": f.world},
		{"codes": {"INPUT_INCOMPLETE"}, "asked": f.without(f.question, ["context", "source_ip"]), "world": f.world},
		{"codes": {"OUTSIDE_TIME_WINDOW"}, "asked": f.question, "world": f.changed(f.world, array.concat(f.caller_path, ["allowed_hours"]), [{"from": "01:00", "to": "03:00"}])},
		{"codes": {"RECIPIENT_UNKNOWN"}, "asked": f.changed(f.question, ["resource", "properties", "recipient"], "u-nobody"), "world": f.world},
		{"codes": {"MESSAGE_CLASS_NOT_ENTITLED"}, "asked": f.question, "world": f.changed(f.world, ["entitlements"], {})},
	] {
		decided := f.decision(case.asked, case.world)
		decided.allow == false
		decided.obligations == set()
		decided.cacheable_for_s == 0
		_codes(case.asked, case.world) == case.codes
	}
}

# :: kind of evidence -> does it do for internal callers of tiers 0 to 3, then external ones
_enough := {
	"secret": [false, false, false, false, false, false, false, false],
	"opaque": [false, false, false, true, false, false, false, false],
	"jwt": [false, true, true, true, false, false, false, true],
	"claims": [false, true, true, true, false, false, false, true],
	"federated": [false, true, true, true, false, false, false, true],
	"assertion": [false, true, true, true, false, false, false, true],
	"bound jwt": [true, true, true, true, false, true, true, true],
	"certificate": [true, true, true, true, false, true, true, true],
	"attested certificate": [true, true, true, true, true, true, true, true],
}

# The level that internal callers of tiers 0 to 3 need, then external ones.
_required := [4, 3, 3, 2, 5, 4, 4, 3]

# Callers of an origin call a service of a tier that says nothing of levels.
_calling(origin, tier) := json.patch(f.world, [
	{"op": "add", "path": array.concat(f.caller_path, ["origin"]), "value": origin},
	{"op": "add", "path": array.concat(f.caller_path, ["tenant"]), "value": "acme"},
	{"op": "add", "path": array.concat(f.service_path, ["tier"]), "value": tier},
	{"op": "remove", "path": array.concat(f.service_path, ["required_level"])},
])

# An external caller needs a service that takes external ones.
_taken(world, "internal", _) := world

_taken(world, "external", level) := f.changed(world, array.concat(f.service_path, ["required_level"]), {"external": level})

_asked_for_acme(kind) := f.changed(f.asked_with(kind), ["resource", "properties", "tenant"], "acme")

test_every_evidence_against_every_tier_and_origin if {
	object.keys(_enough) == object.keys(f.evidence)
	every kind, outcomes in _enough {
		every i, allowed in outcomes {
			origin := ["internal", "external"][floor(i / 4)]
			world := _calling(origin, i % 4)
			f.decision(_asked_for_acme(kind), world).required_level == _required[i]
			decided := f.decision(_asked_for_acme(kind), _taken(world, origin, _required[i]))
			decided.allow == allowed
			{reason.code | some reason in decided.reasons} == {code | code := {false: "AUTH_TOO_WEAK"}[allowed]}
		}
	}
}

test_a_service_of_the_strictest_tier_takes_no_external_caller_that_it_does_not_name if {
	every kind, _ in _enough {
		"EXTERNAL_NOT_ALLOWED" in _codes(_asked_for_acme(kind), _calling("external", 0))
	}
}

test_advice_of_credential_and_token_comes_with_an_allow if {
	secret := f.changed(f.asked_with("secret"), ["credential", "state"], "retiring")
	asked := f.changed(secret, ["trust"], {"level": 3, "freshness": "stale", "age_s": 90, "usable_for_s": [100, 92, 100, 100]})
	decided := f.decision(asked, f.world)
	decided.allow == true
	decided.advice == {
		{"id": "retiring_credential", "credential": "cred-secret", "generation": 3},
		{"id": "issuer_stale", "issuer": "", "usable_for_s": 2},
	}
	decided.cacheable_for_s == 2
}

test_denials_of_several_guards_are_told_together if {
	asked := f.changed(f.changed(f.question, ["context", "source_ip"], "10.9.9.9"), ["trust", "level"], 1)
	_codes(asked, f.without(f.world, ["users", "u-reader"])) == {"SOURCE_IP_NOT_ALLOWED", "AUTH_TOO_WEAK", "RECIPIENT_UNKNOWN"}
}

test_a_call_with_everything_off_is_still_bound_to_its_edge if {
	world := f.changed(f.world, array.concat(f.edge_path, ["mode"]), "off")
	f.decision(f.changed(f.question, ["context"], {}), world).allow == true
	f.decision(f.changed(f.question, ["action", "name"], "email.purge"), world).allow == false
	_codes(f.changed(f.question, ["action", "name"], "email.purge"), world) == {"DEFAULT_DENY"}
}

test_every_member_has_a_value_when_nothing_is_known if {
	decided := decision with input as {}
	object.keys(decided) == {
		"allow",
		"reasons",
		"would_deny",
		"obligations",
		"advice",
		"required_level",
		"cacheable_for_s",
		"if_pdp_unreachable",
	}
	decided.allow == false
	count(decided.reasons) > 0
}

test_the_tier_of_the_service_says_how_durable_the_record_is if {
	every word in ["async", "spool", "required"] {
		decided := f.decision(f.question, f.world) with data.verdict.config.tiers as {
			"1": {"record": word},
			"0": {"record": "never"},
		}
		decided.record == word
	}
}

test_no_word_on_the_record_is_no_member if {
	not "record" in object.keys(f.decision(f.question, f.world))
}

test_a_denied_call_is_recorded_as_durably if {
	decided := f.decision(f.changed(f.question, ["trust", "level"], 1), f.world) with data.verdict.config.tiers["1"].record as "required"
	decided.allow == false
	decided.record == "required"
}
