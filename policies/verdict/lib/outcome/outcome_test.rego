package verdict.lib.outcome_test

import data.verdict.decision
import data.verdict.lib.fixtures_test as f

_denial := {"code": "NO_TEA", "message": "There is no tea.", "fix": "Buy tea.", "status": 403, "details": {"cups": 0}}

_reason := object.union(_denial, {"guard": "sample"})

_edge := {"actions": ["email.send"]}

# The decision when data.guards holds only these guards and the edge is this one.
_decided(guards, edge) := value if {
	value := decision with input as f.question
		with data.machine_users as f.world.machine_users
		with data.services as f.world.services
		with data.edges as {"mu:caller": {"svc:email": edge}}
		with data.guards as guards
}

test_declared_and_not_denied_is_allowed if {
	decision.allow with input as f.question
		with data.machine_users as f.world.machine_users
		with data.services as f.world.services
		with data.edges as f.world.edges
		with data.guards as {}
}

test_a_guard_joins_by_existing if {
	decided := _decided({"sample": {"deny": {_denial}}}, _edge)
	decided.allow == false
	decided.reasons == {_reason}
}

test_every_denial_of_every_guard_is_told if {
	decided := _decided({"sample": {"deny": {_denial, object.union(_denial, {"code": "NO_MILK"})}}, "zeta": {"deny": {_denial}}}, _edge)
	{[reason.guard, reason.code] | some reason in decided.reasons} == {["sample", "NO_TEA"], ["sample", "NO_MILK"], ["zeta", "NO_TEA"]}
}

test_nothing_granted_and_nothing_denied_denies if {
	decided := _decided({}, {"actions": ["email.status"]})
	decided.allow == false
	decided.reasons == {{
		"code": "DEFAULT_DENY",
		"guard": "decision",
		"message": "Nothing permits this call.",
		"fix": "Declare an edge from the machine user to the service that names the action.",
		"status": 403,
		"details": {},
	}}
}

test_denied_and_not_granted_tells_the_denial_alone if {
	decided := _decided({"sample": {"deny": {_denial}}}, {"actions": ["email.status"]})
	decided.reasons == {_reason}
}

test_no_mode_of_a_guard_grants if {
	every mode in ["off", "observe", "flag"] {
		decided := _decided({"edge": {"deny": {_denial}}}, {"actions": ["email.status"], "mode": mode})
		decided.allow == false
		{reason.code | some reason in decided.reasons} == {"DEFAULT_DENY"}
	}
}

test_modes if {
	guards := {"sample": {"deny": {_denial}}}
	every case in [
		{"mode": "off", "allow": true, "would_deny": set(), "advice": set()},
		{"mode": "observe", "allow": true, "would_deny": {object.union(_reason, {"mode": "observe"})}, "advice": set()},
		{"mode": "flag", "allow": true, "would_deny": {object.union(_reason, {"mode": "flag"})}, "advice": {{"id": "flagged", "code": "NO_TEA", "guard": "sample"}}},
		{"mode": "enforce", "allow": false, "would_deny": set(), "advice": set()},
		{"mode": "shadow", "allow": false, "would_deny": set(), "advice": set()},
	] {
		decided := _decided(guards, object.union(_edge, {"mode": case.mode}))
		decided.allow == case.allow
		decided.would_deny == case.would_deny
		decided.advice == case.advice
		count(decided.reasons) == count({1 | case.allow == false})
	}
}

test_a_denial_cannot_pose_as_another_guard_s if {
	decided := _decided({"sample": {"deny": {object.union(_denial, {"guard": "network"})}}}, object.union(_edge, {"modes": {"network": "off"}}))
	decided.reasons == {_reason}
}

test_a_denial_that_says_little_still_denies if {
	decided := _decided({"sample": {"deny": {{"code": "NO_TEA"}}}}, _edge)
	decided.reasons == {{
		"code": "NO_TEA",
		"guard": "sample",
		"message": "The guard denies this call.",
		"fix": "Ask the author of the guard.",
		"status": 403,
	}}
}

test_a_guard_that_does_not_speak_as_guards_must_denies if {
	every said in [
		{"deny": true},
		{"deny": false},
		{"deny": "NO_TEA"},
		{"deny": [_denial]},
		{"deny": {"NO_TEA"}},
		{"deny": {{"message": "There is no tea."}}},
		{"deny": {{"code": ""}}},
		{"deny": {{"code": 7}}},
		{"deny": set(), "obligations": {"id": "log"}},
		{"deny": set(), "obligations": [{"id": "log"}]},
		{"deny": set(), "obligations": true},
	] {
		decided := _decided({"sample": said}, _edge)
		decided.allow == false
		some reason in decided.reasons
		reason.code == "GUARD_MALFORMED"
		reason.guard == "sample"
		reason.status == 403
	}
}

_excepted(code, until) := object.union(_edge, {"exceptions": [{"code": code, "until": until, "owner": "ops"}]})

_weak := {"assurance": {"deny": {object.union(_denial, {"code": "AUTH_TOO_WEAK"})}}}

test_an_exception_turns_its_denial_into_advice if {
	decided := _decided(_weak, _excepted("AUTH_TOO_WEAK", "2026-12-31T00:00:00Z"))
	decided.allow == true
	decided.reasons == set()
	decided.advice == {{
		"id": "exception_in_use",
		"code": "AUTH_TOO_WEAK",
		"until": "2026-12-31T00:00:00Z",
		"owner": "ops",
	}}
}

test_an_exception_ends if {
	every until in ["2026-11-22T10:00:00Z", "2026-01-01T00:00:00Z", "some day"] {
		_decided(_weak, _excepted("AUTH_TOO_WEAK", until)).allow == false
	}
}

test_an_exception_of_another_code_excuses_nothing if {
	_decided(_weak, _excepted("NO_TEA", "2026-12-31T00:00:00Z")).allow == false
}

test_only_listed_codes_can_be_excepted if {
	_decided({"sample": {"deny": {_denial}}}, _excepted("NO_TEA", "2026-12-31T00:00:00Z")).allow == false
}

test_an_exception_nobody_needs_is_not_told if {
	_decided({}, _excepted("AUTH_TOO_WEAK", "2026-12-31T00:00:00Z")).advice == set()
}

test_duties_of_guards_come_with_an_allow if {
	said := {"obligations": {{"id": "log_full"}}, "advice": {{"id": "renew_token", "within_s": 9}}}
	allowed := _decided({"sample": said}, _edge)
	allowed.obligations == said.obligations
	allowed.advice == said.advice
	denied := _decided({"sample": said, "zeta": {"deny": {_denial}}}, _edge)
	denied.obligations == set()
	denied.advice == set()
}

test_a_guard_that_is_off_gives_no_duties if {
	said := {"obligations": {{"id": "log_full"}}, "advice": {{"id": "renew_token", "within_s": 9}}}
	decided := _decided({"sample": said}, object.union(_edge, {"mode": "off"}))
	decided.obligations == set()
	decided.advice == set()
}

_now := 1795341600000000000

test_how_long_an_answer_holds if {
	every case in [
		{"until": set(), "s": 5},
		{"until": {_now + 60000000000}, "s": 5},
		{"until": {_now + 3900000000, _now + 60000000000}, "s": 3},
		{"until": {_now + 999999999}, "s": 0},
		{"until": {_now - 60000000000}, "s": 0},
	] {
		_decided({"sample": {"valid_until": case.until}}, _edge).cacheable_for_s == case.s
	}
}

test_an_answer_holds_no_longer_than_the_exception_it_needs if {
	_decided(_weak, _excepted("AUTH_TOO_WEAK", "2026-11-22T10:00:02.5Z")).cacheable_for_s == 2
	_decided({}, _excepted("AUTH_TOO_WEAK", "2026-11-22T10:00:02.5Z")).cacheable_for_s == 5
}

test_a_denial_does_not_hold if {
	_decided({"sample": {"deny": {_denial}}}, _edge).cacheable_for_s == 0
}

test_without_settings_an_answer_does_not_hold if {
	decided := _decided({}, _edge) with data.verdict.config as {}
	decided.allow == true
	decided.cacheable_for_s == 0
	decided.if_pdp_unreachable == "deny"
}

_failing(way) := json.patch(data.verdict.config, [{
	"op": "replace",
	"path": ["tiers", "1", "if_pdp_unreachable"],
	"value": way,
}])

test_the_tier_says_what_to_do_when_the_pdp_is_unreachable if {
	every way, told in {"allow": "allow", "deny": "deny", "ALLOW": "deny", "": "deny"} {
		decided := _decided({}, _edge) with data.verdict.config as _failing(way)
		decided.if_pdp_unreachable == told
	}
}

test_what_is_denied_now_is_denied_when_the_pdp_is_unreachable if {
	decided := _decided({"sample": {"deny": {_denial}}}, _edge) with data.verdict.config as _failing("allow")
	decided.if_pdp_unreachable == "deny"
}
